"""What a snapshot holds, and what it leaves out and says so."""

import os
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.snapshot import take_snapshot
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.snapshots import capture as capturing
from ml_workspace_lab.snapshots import walking
from ml_workspace_lab.snapshots.capture import capture
from tests.experiments.trash_support import storage


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_code_is_in_and_what_is_none_is_out(tmp_path: Path) -> None:
    write(tmp_path, "train.py", "lib/util.py", ".gitignore", "notes.txt", "deep/er/data.csv")
    write(tmp_path, ".git/config", "__pycache__/a.pyc", ".env", "secret.pem", "outputs/old.bin")
    write(tmp_path, "venv/pyvenv.cfg", "venv/lib/x.py", ".mlworkspace/config.json")
    (tmp_path / ".gitignore").write_text("*.txt\n!notes.txt\ndeep/\n")
    assert set(capture(tmp_path).files) == {"train.py", "lib/util.py", ".gitignore", "notes.txt"}


def test_links_pipes_and_unreadable_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder-link").symlink_to(tmp_path)
    (tmp_path / "within").symlink_to("a.py")
    os.mkfifo(tmp_path / "pipe")
    found = capture(tmp_path)
    assert set(found.files) == {"a.py", "within"}
    assert {file.path: file.reason for file in found.omitted} == {
        "link": "is a link that leads out of the folder: /etc/passwd",
        "folder-link": f"is a link that leads out of the folder: {tmp_path}",
        "pipe": "is not a plain file",
    }


def test_what_is_too_large_is_left_out_largest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capturing, "MAX_TOTAL", 100)
    monkeypatch.setattr(walking, "MAX_FILE", 90)
    for name, size in [("a", 30), ("b", 60), ("c", 50), ("d", 95)]:
        (tmp_path / name).write_bytes(b"x" * size)
    found = capture(tmp_path)
    assert set(found.files) == {"a", "c"}
    assert {file.path for file in found.omitted} == {"b", "d"}


def test_the_walk_of_a_huge_folder_stops_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "MAX_ENTRIES", 3)
    write(tmp_path, *(f"f{number}" for number in range(9)), *(f"sub/f{n}" for n in range(9)))
    assert "more than 3 entries" in capture(tmp_path).notes[0]


def test_unsaved_content_replaces_the_file(tmp_path: Path) -> None:
    write(tmp_path, "nb.ipynb")
    found = capture(tmp_path, {"nb.ipynb": b"as it is on the screen"})
    assert found.given == {"nb.ipynb": b"as it is on the screen"}
    assert "nb.ipynb" not in found.files
    with pytest.raises(InvalidInput):
        capture(tmp_path, {"../nb.ipynb": b""})


def test_the_same_content_is_the_same_snapshot_and_is_kept_once(
    ws: Workspace, tmp_path: Path
) -> None:
    source = tmp_path / "code"
    write(source, "a.py", "b.py")
    first = take_snapshot(ws.connection, source, None, ())
    again = take_snapshot(ws.connection, source, None, ())
    assert again.snapshot_id == first.snapshot_id
    (source / "a.py").write_text("changed")
    second = take_snapshot(ws.connection, source, None, ())
    assert second.snapshot_id != first.snapshot_id
    rows = storage(ws).database.all("SELECT size FROM packed")
    assert sorted(row["size"] for row in rows) == [4, 4, 7]
    assert ws.connection.snapshots.file(first.snapshot_id, "a.py").read() == b"a.py"
