"""A collection of garbage that is killed before any of its steps: nothing goes that somebody refers
to, and the next one ends it."""

import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.storage.checking import check
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.storage.sweep import sweep
from tests.experiments.trash_support import made, purge, storage

# For each number that it is told it sweeps the folder in a child, which dies before that step: what
# changes a file's name, and what changes the database.
SWEEPER = """
import os, sys, time
from pathlib import Path
from ml_workspace_lab.storage.sqlite_connections import SqliteTransaction
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.storage.sweep import sweep

NAMES = ("os.remove", "os.rmdir", "os.rename", "os.truncate", "os.chmod")

def step(*_):
    global left
    if left == 0:
        os._exit(9)
    left -= 1

def counted(function):
    def act(*words, **more):
        step()
        return function(*words, **more)
    return act

for line in sys.stdin:
    folder, left = line.split()
    left = int(left)
    child = os.fork()
    if child == 0:
        storage = Storage(Path(folder))
        for name in ("run", "many"):
            setattr(SqliteTransaction, name, counted(getattr(SqliteTransaction, name)))
        sys.addaudithook(lambda event, _: step() if event in NAMES else None)
        sweep(storage, int((time.time() + 60) * 1000))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


UNNAMED = "ab" * 16


@pytest.fixture
def lab(ws: Workspace, tmp_path: Path) -> Path:
    """The folder of a workspace with much of what can be referred to, and with garbage."""
    code = tmp_path / "code"
    code.mkdir()
    for number in range(500):  # more than a list has in one piece; the contents lie in a pack
        (code / f"file-{number:04}-{'x' * 40}.py").write_text(f"{number}")
    with ws.experiment("e").start_logging(snapshot_directory=code) as run:
        run.log("m", 1.0)
    made(ws, "e", x=b"x" * 5000, model=b"weights").register_model("kept", "model")
    gone = made(ws, "e", model=b"other weights")
    gone.register_model("alone", "model")
    ws.connection.runs.delete(gone.id)
    purge(ws, run_ids=[gone.id])
    for number in range(0, 500, 2):
        (code / f"file-{number:04}-{'x' * 40}.py").write_text(f"other {number}")
    ws.snapshots.take(code)
    few = tmp_path / "few"
    few.mkdir()
    for number in range(0, 40, 2):  # what lives of the second pack moves into a third
        (few / str(number)).write_text(f"other {number}")
    with ws.experiment("e").start_logging(snapshot_directory=few):
        pass
    here = storage(ws)
    for text in (b"one", b"two"):
        here.blobs.add(BytesIO(text * 1000))
    for path in (here.blobs.root / ".half", here.temporary / "half"):
        path.write_bytes(b"half")
    (here.blobs.root / "packs" / UNNAMED).write_bytes(b"a pack that nobody names")
    here.uploads.missing("something", 2)
    here.uploads.put_part("something", 1, BytesIO(b"part"))
    here.run("f" * 32).create()
    return Path(ws.location)


def test_nothing_that_is_needed_goes_and_the_next_one_ends_it(lab: Path, tmp_path: Path) -> None:
    clean = copy_of(lab, tmp_path / "clean")
    before, packs = contents(clean), packs_of(clean)
    finish(clean)
    expected = contents(clean)
    assert packs & packs_of(clean)
    assert packs_of(clean) - packs, "what lived of one is in a new one"
    assert expected["files"] < before["files"]
    assert expected["packed"] < before["packed"]
    assert expected["snapshots"] < before["snapshots"]
    step = 0
    with closing(sweeps()) as killed:
        next(killed)
        while True:
            folder = copy_of(lab, tmp_path / "killed")
            code = killed.send((folder, step))
            assert check(Storage(folder)).items == [], step
            finish(folder)
            assert check(Storage(folder)).items == [], step
            assert contents(folder) == expected, step
            if code == 0:
                break
            assert code == 9
            step += 1
    assert step > 25


def sweeps() -> Generator[int, tuple[Path, int], None]:
    """A generator that is sent a folder and a step, and gives how the sweep of it ended."""
    words = [sys.executable, "-c", SWEEPER]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        folder, step = yield 0
        while True:
            print(folder, step, file=process.stdin, flush=True)
            folder, step = yield int(process.stdout.readline())


def copy_of(lab: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(lab, folder, ignore=lambda _, names: [n for n in names if n.endswith(".wake")])
    return folder


def packs_of(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs" / "packs").iterdir()}


def finish(folder: Path) -> None:
    sweep(Storage(folder), int((time.time() + 60) * 1000))


def contents(folder: Path) -> dict[str, set[str]]:
    """What there is: files, contents of packs, snapshots. Packs are those that the database
    names."""
    here = Storage(folder)
    places = ("blobs", "runs", "uploads", "tmp")
    packs = here.blobs.root / "packs"
    named = {row["name"] for row in here.database.all("SELECT name FROM pack")}
    found = [p for name in places for p in (folder / name).rglob("*") if p.parent != packs]
    rows = here.database.all
    assert packs_of(folder) - {UNNAMED} == named
    assert not rows("SELECT 1 FROM packed WHERE pack NOT IN (SELECT id FROM pack)")
    return {
        "files": {str(path.relative_to(folder)) for path in found if not path.is_dir()},
        "packed": {row["digest"] for row in rows("SELECT digest FROM packed")},
        "snapshots": {row["digest"] for row in rows("SELECT digest FROM snapshot")},
    }
