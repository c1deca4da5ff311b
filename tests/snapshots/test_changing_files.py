"""Snapshots of folders in which something is written at that very moment."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.snapshot import take_snapshot

MIB = 1 << 20


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Path]:
    """A log that something appends to all the time."""
    folder = tmp_path / "work"
    folder.mkdir()
    log, over = folder / "training.log", Event()
    log.write_bytes(b"x" * 4 * MIB)

    def write() -> None:
        with log.open("ab", buffering=0) as file:
            while not over.wait(0.0005):
                file.write(b"line\n")

    writer = Thread(target=write)
    writer.start()
    yield log
    over.set()
    writer.join()


def test_a_file_that_grows_is_kept_as_it_was_at_one_moment(ws: Workspace, growing: Path) -> None:
    (growing.parent / "code.py").write_text("pass")
    snapshot = take_snapshot(ws.connection, growing.parent)
    content = ws.connection.snapshots.get(snapshot.snapshot_id)
    assert [file.path for file in content.files] == ["code.py", "training.log"]
    assert content.files[1].size >= 4 * MIB
    assert (content.files[1].size - 4 * MIB) % 5 == 0
