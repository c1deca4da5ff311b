"""An artifact whose way is cut at each kind of byte: it is there whole or not at all, then once."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.api import parts
from ml_workspace_lab.api.parts import PART
from ml_workspace_lab.api.remote import RemoteConnection
from ml_workspace_lab.errors import InvalidInput, Unavailable
from ml_workspace_lab.experiments.sending import send_artifact
from ml_workspace_lab.experiments.uploads import ArtifactUpload
from ml_workspace_lab.jobs.runner.patience import patiently
from ml_workspace_lab.storage.uploads import Uploads
from tests.conftest import eventually
from tests.faults.servers import TOKEN, Server
from tests.faults.taps import Tap

SIZE = 3_000_000


MakeTap = Callable[[int | None, int | None], Tap]


@pytest.fixture
def tap(served: Server) -> Iterator[MakeTap]:
    """Makes taps of the server."""
    with ExitStack() as taps:
        yield lambda forth, back: taps.enter_context(closing(Tap(served.port, forth, back)))


@pytest.mark.parametrize(
    ("forth", "back"),
    [
        (1, None),  # the first byte of the request
        (40, None),  # in its line
        (200, None),  # in its headers
        (400, None),  # about where they end
        (1000, None),  # the beginning of the body
        (SIZE // 2, None),  # its middle
        (SIZE, None),  # shortly before its end
        (None, 1),  # the artifact is there, and its sender does not know
        (None, 100),
    ],
)
def test_an_upload_is_whole_or_absent_and_the_next_try_completes_it(
    ws: Workspace, tap: MakeTap, forth: int | None, back: int | None
) -> None:
    run = ws.experiment("e").start_logging()
    content = os.urandom(SIZE)
    line = tap(forth, back)
    connection = RemoteConnection(line.url, TOKEN, 10)

    def put() -> None:
        connection.artifacts.put(run.id, "model.bin", BytesIO(content))

    with suppress(Unavailable):
        put()
    assert line.resets == 1
    names = run.get_file_names()
    assert names in ([], ["model.bin"])
    if names:
        assert run.read_artifact("model.bin") == content
    patiently(put, 30)
    assert run.get_file_names() == ["model.bin"]
    assert run.read_artifact("model.bin") == content
    blobs = Path(ws.location) / "blobs"
    eventually(lambda: not [path for path in blobs.rglob(".*") if path.is_file()], 10)
    run.complete()


def test_a_large_upload_that_is_cut_goes_on_with_the_part_that_was_cut(
    ws: Workspace, tap: MakeTap
) -> None:
    run = ws.experiment("e").start_logging()
    content = os.urandom(3 * PART + 1000)
    line = tap(2 * PART + 5_000_000, None)
    send_artifact(RemoteConnection(line.url, TOKEN, 10), run.id, "a/model.bin", BytesIO(content))
    assert line.resets == 1
    assert run.read_artifact("a/model.bin") == content
    assert line.sent < len(content) + 5_000_000 + 100_000, "only what was cut is sent again"
    again = tap(None, None)
    connection = RemoteConnection(again.url, TOKEN, 10)
    send_artifact(connection, run.id, "a/model.bin", BytesIO(content))
    assert again.sent < 10_000, "it is there"
    run.complete()


def test_who_gave_up_goes_on_later_from_where_it_was(
    ws: Workspace, tap: MakeTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PAUSES", ())
    run = ws.experiment("e").start_logging()
    content = BytesIO(os.urandom(2 * PART + 1))
    gone = tap(PART + 1_000_000, None)
    gone.refuse_after_first = True
    with pytest.raises(Unavailable):
        send_artifact(RemoteConnection(gone.url, TOKEN, 10), run.id, "model.bin", content)
    line = tap(None, None)
    content.seek(0)
    send_artifact(RemoteConnection(line.url, TOKEN, 10), run.id, "model.bin", content)
    assert PART < line.sent < PART + 100_000
    assert run.read_artifact("model.bin") == content.getvalue()
    run.complete()


def test_a_part_of_what_another_has_just_ended_is_no_error(ws: Workspace, served: Server) -> None:
    run = ws.experiment("e").start_logging()
    connection = RemoteConnection(served.url, TOKEN, 10)
    uploads, digest = connection.artifact_uploads, hashlib.sha256(b"one").hexdigest()
    wanted = ArtifactUpload("x", digest, 3)
    uploads.begin(run.id, wanted)
    for _ in range(2):
        uploads.put_part(run.id, digest, 1, "x", content=BytesIO(b"one"))
        assert uploads.end(run.id, wanted).digest == digest
    assert uploads.begin(run.id, wanted).missing == []
    run.complete()
    assert not list((Path(ws.location) / "uploads").iterdir())


def test_parts_that_are_another_content_are_refused_and_forgotten(
    ws: Workspace, served: Server
) -> None:
    run = ws.experiment("e").start_logging()
    uploads = RemoteConnection(served.url, TOKEN, 10).artifact_uploads
    wanted = ArtifactUpload("x", hashlib.sha256(b"one").hexdigest(), 3)
    assert uploads.begin(run.id, wanted).missing == [1]
    with pytest.raises(InvalidInput, match="parts"):
        uploads.end(run.id, wanted)
    uploads.put_part(run.id, wanted.digest, 1, "x", content=BytesIO(b"two"))
    assert uploads.begin(run.id, wanted).missing == []
    with pytest.raises(InvalidInput, match="SHA-256"):
        uploads.end(run.id, wanted)
    assert uploads.begin(run.id, wanted).missing == [1]
    assert run.get_file_names() == []
    with pytest.raises(InvalidInput, match="between 1 and 1"):
        uploads.put_part(run.id, wanted.digest, 2, "x", content=BytesIO(b"x"))
    run.complete()
    assert list((Path(ws.location) / "uploads").iterdir()), "kept for a day"
    Uploads(Path(ws.location)).sweep(int((time.time() + 1) * 1000))
    assert not list((Path(ws.location) / "uploads").iterdir())
