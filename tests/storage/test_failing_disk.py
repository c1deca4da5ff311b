"""A disk that fails: what was answered "done" is there, and after a failed write nothing is."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from tests.storage.test_full_disk import can_mount

SOURCE = Path(__file__).with_name("faulty.c")

WRITER = """
import sys
from pathlib import Path
from ml_workspace_lab.errors import StorageFull, Unavailable
from ml_workspace_lab.storage.sqlite import SqliteDatabase

database = SqliteDatabase(Path(sys.argv[1]))
for number in range(20):
    try:
        database.all("SELECT * FROM event")
    except Unavailable as error:
        assert error.hint
    try:
        with database.write(durable=bool(number % 3)) as transaction:
            for part in range(40):
                transaction.event("fault", f"{number}", text="x" * 500)
        print("done", number, flush=True)
    except (Unavailable, StorageFull) as error:
        assert error.hint
        print(type(error).__name__, number, flush=True)
"""

REMOUNTED = """
import os, subprocess, sys
from pathlib import Path
from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import StorageFull, Unavailable, WorkspaceError
from tests.conftest import end_agents

root = Path(sys.argv[1])
if os.fork() == 0:  # what a process has mapped keeps its disk writable
    with Workspace.create("lab", root / "store").experiment("e").start_logging() as run:
        run.log("loss", 1)
    os._exit(0)
assert os.wait()[1] == 0
ws = Workspace.open(root / "store")
[run] = ws.runs()

def remount(how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(root)], check=True)

def refused(action):
    try:
        action()
    except WorkspaceError as error:
        assert error.status in (503, 507) and error.hint, repr(error)
        return str(error)
    raise AssertionError("this was not refused")

ws.close()
end_agents(root / "store")
remount("ro")
assert run.get_metrics() == {"loss": 1.0}
assert [one.id for one in ws.runs()] == [run.id]
assert "be written" in refused(lambda: run.log_params({"lr": 1}))
assert "be written" in refused(lambda: ws.experiment("f").start_logging())
assert "be written" in refused(lambda: Workspace.open(root / "store"))
levels = {item.check: item.level for item in ws.diagnose().items}
assert levels["database"] == "Information" and levels["folder"] == "Error", levels
remount("rw")
run.log_params({"lr": 1})
assert Workspace.open(root / "store").run(run.id).params == {"lr": 1}
print("held")
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    library = tmp_path_factory.mktemp("shim") / "faulty.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(words, check=True)
    return library


def write(shim: Path, database: Path, kind: str, at: int) -> tuple[list[tuple[str, int]], int]:
    """What was answered to each of the writer's transactions, and how many calls there were."""
    count = database.with_name("count")
    environment = {
        "LD_PRELOAD": str(shim),
        "FAULT_KIND": kind,
        "FAULT_AT": str(at),
        "FAULT_PATH": "/faulty.db",
        "FAULT_COUNT": str(count),
    }
    ended = subprocess.run(
        [sys.executable, "-c", WRITER, str(database)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    answers = [line.split() for line in ended.stdout.splitlines()]
    return [(word, int(number)) for word, number in answers], int(count.read_text())


@pytest.mark.parametrize("kind", ["write", "full", "short", "sync", "read"])
def test_whichever_call_fails_nothing_that_was_done_is_lost(
    tmp_path: Path, shim: Path, kind: str
) -> None:
    template = tmp_path / "template"
    Workspace.create("lab", template).close()
    shutil.copy(template / "workspace.db", tmp_path / "faulty.db")
    answers, calls = write(shim, tmp_path / "faulty.db", kind, 10**9)
    assert [word for word, _ in answers] == ["done"] * 20
    assert calls > 10
    struck = 0
    for at in range(1, calls + 1, max(1, calls // 8)):
        for leftover in tmp_path.glob("faulty.db*"):
            leftover.unlink()
        shutil.copy(template / "workspace.db", tmp_path / "faulty.db")
        answers, _ = write(shim, tmp_path / "faulty.db", kind, at)
        done = [number for word, number in answers if word == "done"]
        struck += len(done) < 20
        if kind in ("write", "sync") and len(done) < 20:
            assert done == list(range(len(done))), "after a failure nothing more is written"
        connection = sqlite3.connect(tmp_path / "faulty.db")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        sql = "SELECT subject, count(*) FROM event WHERE kind = 'fault' GROUP BY subject"
        kept = {int(number): count for number, count in connection.execute(sql)}
        connection.close()
        if kind not in ("write", "sync"):
            assert len(done) >= 19, "what is not a failed write passes"
        assert set(done) <= set(kept)
        assert set(kept.values()) <= {40}, "a transaction is there whole or not at all"
    assert struck or kind in ("read", "short"), "it was worth the trouble"


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a disk")
def test_a_disk_that_becomes_read_only_is_read(tmp_path: Path) -> None:
    assert "'" not in REMOUNTED
    mount = f"mount -t tmpfs -o size=32m tmpfs {tmp_path}"
    command = f"{mount} && exec {sys.executable} -c '{REMOUNTED}' {tmp_path}"
    ended = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stdout == "held\n", ended.stderr
