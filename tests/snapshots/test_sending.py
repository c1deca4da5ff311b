"""Large files of a snapshot on their way to a server: in parts, and never held whole."""

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.api.parts import PART
from ml_workspace_lab.api.remote import RemoteConnection
from ml_workspace_lab.client.snapshot import take_snapshot
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.snapshots.model import BlobUpload, SnapshotInfo
from ml_workspace_lab.storage.digests import sha256
from tests.faults.servers import TOKEN, Server
from tests.faults.taps import Tap


@pytest.fixture
def served(ws: Workspace) -> Iterator[Server]:
    server = Server(Path(ws.location))
    yield server
    server.kill()


@pytest.fixture
def connection(served: Server) -> Iterator[RemoteConnection]:
    with closing(RemoteConnection(served.url, TOKEN, 10)) as connection:
        yield connection


def snapshot_by(line: Tap, work: Path) -> SnapshotInfo:
    with closing(line), closing(RemoteConnection(line.url, TOKEN, 10)) as connection:
        return take_snapshot(connection, work)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "code.py").write_text("pass")
    return folder


def content(ws: Workspace, snapshot_id: str, path: str) -> bytes:
    return ws.connection.snapshots.file(snapshot_id, path).stream.read()


def test_a_file_whose_sending_is_cut_goes_on_with_the_part_that_was_cut(
    ws: Workspace, served: Server, work: Path
) -> None:
    large = os.urandom(4 * PART + 1000)
    (work / "weights.bin").write_bytes(large)
    line = Tap(served.port, 2 * PART + 5_000_000, None)
    taken = snapshot_by(line, work)
    assert line.resets == 1
    assert line.sent < len(large) + 5_000_000 + 100_000, "only what was cut is sent again"
    assert content(ws, taken.snapshot_id, "weights.bin") == large
    assert not taken.omitted
    (work / "code.py").write_text("pass  # changed")
    (work / "weights.bin").touch()
    again = Tap(served.port, None, None)
    snapshot_by(again, work)
    assert again.sent < 10_000, "it is there"


def test_it_is_never_held_whole(connection: RemoteConnection, work: Path) -> None:
    with (work / "weights.bin").open("wb") as file:
        for number in range(6):
            file.write(bytes([number]) * PART)
    tracemalloc.start()
    try:
        taken = take_snapshot(connection, work)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * PART
    assert [file.size for file in taken.files] == [4, 6 * PART]


def test_a_file_that_is_written_to_is_kept_as_it_was_or_left_out(
    ws: Workspace, connection: RemoteConnection, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = work / "weights.bin"
    large.write_bytes(b"a" * (PART + 10))
    begin, times = connection.blob_uploads.begin, [0]

    def begun(digest: str, wanted: BlobUpload) -> object:
        """Somebody writes between the two readings."""
        times[0] += 1
        if times[0] <= writings:
            with large.open("r+b") as file:
                file.write(b"%d" % times[0])
        return begin(digest, wanted)

    monkeypatch.setattr(connection.blob_uploads, "begin", begun)
    writings = 1
    taken = take_snapshot(connection, work)
    assert times == [2]
    assert content(ws, taken.snapshot_id, "weights.bin") == b"1" + b"a" * (PART + 9)
    large.write_bytes(b"b" * (PART + 10))
    times, writings = [0], 100
    taken = take_snapshot(connection, work)
    assert [file.path for file in taken.files] == ["code.py"]
    assert [omitted.path for omitted in taken.omitted] == ["weights.bin"]
    assert "changed" in taken.omitted[0].reason


def test_parts_that_are_another_content_are_refused_and_forgotten(
    connection: RemoteConnection,
) -> None:
    uploads = connection.blob_uploads
    digest, wanted = sha256(b"one").hexdigest(), BlobUpload(3)
    with pytest.raises(NotFound):
        uploads.put_part(digest, 1, content=BytesIO(b"one"))
    assert uploads.begin(digest, wanted).missing == [1]
    with pytest.raises(InvalidInput, match="parts"):
        uploads.end(digest, wanted)
    uploads.put_part(digest, 1, content=BytesIO(b"two"))
    with pytest.raises(InvalidInput, match="SHA-256"):
        uploads.end(digest, wanted)
    assert uploads.begin(digest, wanted).missing == [1]
    uploads.put_part(digest, 1, content=BytesIO(b"one"))
    assert uploads.end(digest, wanted).size == 3
    assert uploads.end(digest, wanted).digest == digest, "a repeat is safe"
    assert uploads.begin(digest, wanted).missing == []
