"""Contents by their SHA-256."""

import hashlib
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.storage.blobs import Blobs


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    first = blobs.add(BytesIO(b"content"))
    assert first == blobs.add(BytesIO(b"content"))
    assert first == (hashlib.sha256(b"content").hexdigest(), 7)
    assert blobs.read(first[0]) == b"content"
    assert len(files(tmp_path)) == 1


def test_content_that_is_not_what_was_announced_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    with pytest.raises(InvalidInput, match="SHA-256"):
        blobs.add(BytesIO(b"cut off"), expected="0" * 64)
    assert files(tmp_path) == []


def test_content_that_changed_on_disk_is_not_handed_out(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest, _ = blobs.add(BytesIO(b"content"))
    blobs.path(digest).chmod(0o600)
    blobs.path(digest).write_bytes(b"changed")
    with pytest.raises(Conflict, match="changed on disk"):
        blobs.read(digest)
    with pytest.raises(NotFound):
        blobs.open("f" * 64)
