"""Clients that are killed while they send: nothing half is seen, and another one completes it."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.api.parts import PART
from ml_workspace_lab.storage.digests import sha256
from ml_workspace_lab.storage.storage import Storage
from tests.conftest import eventually
from tests.faults.servers import TOKEN, Server
from tests.faults.taps import Tap

CLIENT = """
import sys
from pathlib import Path
from ml_workspace_lab.api.remote import RemoteConnection
from ml_workspace_lab.client.snapshot import take_snapshot
from ml_workspace_lab.experiments.sending import send_artifact

kind, url, token, run_id, name, path = sys.argv[1:]
connection = RemoteConnection(url, token, 30)
print(flush=True)
sys.stdin.readline()
if kind == "snapshot":
    print(take_snapshot(connection, Path(path)).snapshot_id)
else:
    with open(path, "rb") as file:
        if kind == "parts":
            send_artifact(connection, run_id, name, file)
        else:
            connection.artifacts.put(run_id, name, file)
"""
SIZES = {"plain": 3_000_000, "parts": 2 * PART + 3_000_000, "snapshot": 3_000_000}


@pytest.fixture
def served(ws: Workspace) -> Iterator[Server]:
    server = Server(Path(ws.location))
    yield server
    server.kill()


def client(url: str, *words: object) -> "subprocess.Popen[str]":
    """One that is ready to send what `words` say: the kind, the run's id, the name, the path."""
    kind, *rest = map(str, words)
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, kind, url, TOKEN, *rest],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process


def go(processes: Sequence["subprocess.Popen[str]"]) -> list[str]:
    """Let them send at once; what each said in the end."""
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=120)[0].strip() for process in processes]


def source(folder: Path, kind: str) -> tuple[Path, dict[str, bytes]]:
    """What is sent: a file, or a folder of some small and larger ones; its contents by name."""
    place = folder / os.urandom(4).hex()
    size = SIZES[kind]
    if kind != "snapshot":
        place.write_bytes(os.urandom(size))
        return place, {place.name: place.read_bytes()}
    place.mkdir()
    for number in range(20):
        (place / f"small{number}").write_bytes(os.urandom(size // 40))
    (place / "large").write_bytes(os.urandom(size // 2))
    return place, {file.name: file.read_bytes() for file in place.iterdir()}


def leftovers(ws: Workspace) -> list[Path]:
    blobs = Path(ws.location) / "blobs"
    return [path for path in blobs.rglob(".*") if path.is_file()]


@pytest.mark.parametrize("kind", ["plain", "parts", "snapshot"])
def test_a_client_that_is_killed_leaves_nothing_half_and_another_completes_it(
    ws: Workspace, served: Server, tmp_path: Path, kind: str
) -> None:
    chance = random.Random(kind)
    uploads = Path(ws.location) / "uploads"
    for _ in range(8 if kind == "plain" else 4):
        run = ws.experiment("e").start_logging()
        place, contents = source(tmp_path, kind)
        kill_at = chance.randrange(SIZES[kind])
        with closing(Tap(served.port, None, None)) as line:
            process = client(line.url, kind, run.id, "it", place)
            line.act_at(kill_at, process.kill)
            go([process])
        assert process.returncode == -9
        assert_whole(ws, run, kind, contents, present=False)
        whole = max(0, kill_at - 100_000) // PART if kind == "parts" else 0
        eventually(lambda n=whole: len(list(uploads.glob("*/0*-*"))) >= n)
        with closing(Tap(served.port, None, None)) as line:
            [said] = go([client(line.url, kind, run.id, "it", place)])
            assert line.sent < SIZES[kind] - whole * PART + 200_000, (
                "whole parts are not sent again"
            )
        assert_whole(ws, run, kind, contents, said, present=True)
        eventually(lambda: not leftovers(ws), what="no temporary file stays")
        assert not list(uploads.glob("*"))
        run.complete()


def assert_whole(
    ws: Workspace, run: Run, kind: str, contents: dict[str, bytes], said: str = "", *, present: bool
) -> None:
    """Everything is there, or nothing is seen."""
    if kind == "snapshot":
        assert bool(said) == present
        if said:
            taken = ws.snapshots[said]
            assert {name: taken.read(name) for name in taken.files} == contents
        return
    names = run.get_file_names()
    assert names == (["it"] if present else [])
    if present:
        [content] = contents.values()
        assert run.read_artifact("it") == content


@pytest.mark.parametrize("kind", ["plain", "parts", "snapshot"])
def test_eight_processes_that_put_the_same_at_once_all_have_it_and_it_is_kept_once(
    ws: Workspace, served: Server, tmp_path: Path, kind: str
) -> None:
    run = ws.experiment("e").start_logging()
    place, contents = source(tmp_path, kind)
    # Parts are sent to one name, which makes them one upload.
    names = ["it" if kind == "parts" else f"it{number}" for number in range(8)]
    processes = [client(served.url, kind, run.id, name, place) for name in names]
    said = go(processes)
    assert [process.returncode for process in processes] == [0] * 8
    blobs = Storage(Path(ws.location)).blobs
    if kind == "snapshot":
        assert len(set(said)) == 1
        assert_whole(ws, run, kind, contents, said[0], present=True)
    else:
        [content] = contents.values()
        assert run.get_file_names() == sorted(set(names))
        assert all(run.read_artifact(name) == content for name in set(names))
        assert [p for p in blobs.root.glob("*/*") if p.is_file()] == [
            blobs.path(sha256(content).hexdigest())
        ]
    eventually(lambda: not leftovers(ws), what="no temporary file stays")
    run.complete()
