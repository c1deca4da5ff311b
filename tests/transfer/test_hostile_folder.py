"""Folders that lie: nothing of them gets in, and nothing of them is followed."""

import json
import os
import shutil
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.storage import chunks
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.transfer.folder import ExportedExperiment, ExportedRun, encode
from tests.transfer.conftest import storage


class Hostile:
    """An exported folder, and ways to change it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = Blobs(folder / "blobs")
        (self._list,) = (folder / "experiments").iterdir()
        listed = msgspec.json.decode(self._list.read_bytes(), type=ExportedExperiment)
        self.listed = listed
        self.uid = next(iter(listed.runs))
        raw = self.blobs.read(listed.runs[self.uid])
        self.run = msgspec.json.decode(raw, type=ExportedRun)

    def put(self, text: bytes) -> str:
        return self.blobs.add(BytesIO(text))[0]

    def describe(self, value: object) -> None:
        """Say that this is what the run is."""
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.listed.runs[self.uid] = self.put(raw)
        self._list.write_bytes(encode(self.listed))

    def change(self, path: str, value: object) -> None:
        """Change one part of what the run is, named by its path."""
        whole = json.loads(encode(self.run))
        *parents, last = path.split(".")
        part = whole
        for name in parents:
            part = part[int(name)] if isinstance(part, list) else part[name]
        part[int(last) if isinstance(part, list) else last] = value
        self.describe(whole)


@pytest.fixture
def hostile(ws: Workspace, tmp_path: Path) -> Hostile:
    with ws.experiment("e").start_logging() as run:
        run.log_series("m", range(100))
        ws.connection.artifacts.put(run.id, "a", BytesIO(b"content"))
    ws.export_experiments("e", tmp_path / "out")
    return Hostile(tmp_path / "out")


def refused(other: Workspace, hostile: Hostile) -> str:
    report = other.import_experiments(hostile.folder)
    assert report.runs == 0
    assert not other.runs(limit=None)
    (told,) = report.not_mapped
    return told.reason


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("run.artifacts.0.path", "../x"),
        ("run.artifacts.0.path", "/etc/passwd"),
        ("run.artifacts.0.path", "a\u0000"),
        ("run.artifacts.0.size", 1),
        ("run.artifacts.0.size", -1),
        ("run.artifacts.0.digest", "../../../etc/passwd"),
        ("run.artifacts.0.digest", "0" * 64),
        ("run.run_id", "0" * 32),
        ("run.run_id", "../x"),
        ("run.state", "Running"),
        ("run.state", "Lost"),
        ("run.created", 2**70),
        ("run.display_name", "a\nb"),
        ("run.params", {"x": {"y": 1}}),
        ("run.snapshot", "0" * 64),
        ("run.more", 1),
        ("metrics.m", [1]),
        ("metrics.m", [2**62]),
        ("series", "0" * 64),
        ("log", "0" * 64),
    ],
)
def test_a_folder_that_lies_is_refused(
    other: Workspace, hostile: Hostile, path: str, value: object
) -> None:
    hostile.change(path, value)
    assert refused(other, hostile)


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"run": {}}'])
def test_a_description_that_is_none_is_refused(
    other: Workspace, hostile: Hostile, raw: bytes
) -> None:
    hostile.describe(raw)
    assert refused(other, hostile)


def bomb() -> bytes:
    """A chunk that says that it has few bytes, and has many."""
    import zstandard

    columns = chunks.Columns(*(np.arange(100.0).astype(k) for k in ("<i8", "<i8", "<f8")))
    head = chunks.encode(columns)[:40]
    return head + zstandard.ZstdCompressor().compress(bytes(1 << 28))


@pytest.mark.parametrize(
    "body", [b"", b"\0" * 40, b"\1" * 60, b"\1" + b"\x08" * 3 + b"\xff" * 4 + b"\0" * 40, bomb()]
)
def test_a_chunk_that_is_none_is_refused(other: Workspace, hostile: Hostile, body: bytes) -> None:
    whole = json.loads(encode(hostile.run))
    whole["series"], whole["metrics"] = hostile.put(body), {"m": [len(body)]}
    hostile.describe(whole)
    assert refused(other, hostile)


def test_contents_that_changed_and_links_are_refused(
    other: Workspace, hostile: Hostile, tmp_path: Path
) -> None:
    path = hostile.blobs.path(hostile.run.run.artifacts[0].digest)
    path.chmod(0o600)
    path.write_bytes(b"changed")
    assert refused(other, hostile)
    path.unlink()
    (tmp_path / "content").write_bytes(b"content")
    path.symlink_to(tmp_path / "content")
    assert refused(other, hostile)
    path.unlink()
    os.mkfifo(path)
    assert refused(other, hostile)
    path.unlink()
    moved = path.parent.rename(tmp_path / "moved")
    (moved / path.name).write_bytes(b"content")
    path.parent.symlink_to(moved)
    assert refused(other, hostile)


def test_a_newer_format_is_refused(other: Workspace, hostile: Hostile) -> None:
    (hostile.folder / "export.json").write_text('{"format": "ml-workspace-export", "version": 3}')
    with pytest.raises(InvalidInput, match="version 3"):
        other.import_experiments(hostile.folder)


def test_an_experiment_in_the_trash_takes_no_runs(other: Workspace, hostile: Hostile) -> None:
    other.experiment("e").info()
    other.connection.experiments.delete("e")
    assert "trash" in refused(other, hostile)
    other.purge(experiments=["e"])
    assert other.import_experiments(hostile.folder).runs == 1
    with pytest.raises(Conflict):
        other.run(hostile.uid).log("m", 1)


def test_what_is_left_of_a_refused_run_is_garbage(
    other: Workspace, hostile: Hostile, tmp_path: Path
) -> None:
    hostile.change("log", "0" * 64)
    refused(other, hostile)
    root = storage(other).root
    for path in [*root.glob("blobs/??/*"), *root.glob("runs/*")]:
        os.utime(path, (1, 1))
    other.collect_garbage()
    assert [p for name in ("blobs", "runs") for p in (root / name).rglob("*") if p.is_file()] == []
    shutil.rmtree(hostile.folder)
