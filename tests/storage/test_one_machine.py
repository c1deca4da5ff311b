"""A SQLite file is open on one machine at a time; the next has it once the last has let go."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.files import is_held
from ml_workspace_lab.storage.sqlite import SqliteDatabase
from tests.conftest import eventually
from tests.machines import NAME, can_be_elsewhere, elsewhere, waiting
from tests.storage.test_failing_disk import shim as shim

HOLDER = """
import sys
from ml_workspace_lab import Workspace
ws = Workspace.open(sys.argv[1])
ws.runs()
print("held", flush=True)
sys.stdin.read()
"""
FORKING = """
import os, sys, time
from ml_workspace_lab import Workspace
ws = Workspace.open(sys.argv[1])
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
print("held", flush=True)
sys.stdin.read()
"""
SHORT = "import sys; from ml_workspace_lab import Workspace; Workspace.open(sys.argv[1]).runs()"


@pytest.fixture
def far(tmp_path: Path) -> list[str]:
    """The words before a command of another machine."""
    if not can_be_elsewhere(tmp_path):
        pytest.skip("this machine lets nobody pretend to be another one (unshare, mount)")
    return elsewhere(tmp_path)


def new(root: Path) -> Path:
    Workspace.create("lab", root).close()
    return root


def run(before: list[str], code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [*before, sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_another_machine_has_open_is_refused_until_it_is_gone(
    tmp_path: Path, far: list[str]
) -> None:
    root = new(tmp_path / "store")
    here = Workspace.open(root)
    here.close()
    with waiting(far, HOLDER, str(root)) as holder:
        for attempt in (lambda: Workspace.open(root), here.runs):
            with pytest.raises(Unavailable) as refusal:
                attempt()
            said = str(refusal.value)
            assert f"in use on another machine: {NAME}, since 20" in said
            assert f"process {holder.pid}" in said
            assert "End what uses it there" in said
            assert "PostgreSQL" in said
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        here.experiment("e").start_logging().complete()
    assert run(far, SHORT, str(root)).returncode == 1
    here.close()
    assert run(far, SHORT, str(root)).returncode == 0


def test_the_command_line_says_which_machine_has_it(tmp_path: Path, far: list[str]) -> None:
    root = new(tmp_path / "store")
    words = [sys.executable, "-m", "ml_workspace_lab.cli.main", "-w", str(root), "runs", "list"]
    with waiting([], HOLDER, str(root)) as holder:
        said = subprocess.run([*far, *words], capture_output=True, text=True, check=False)
        assert said.returncode == 6, said
        assert os.uname().nodename in said.stderr
        assert str(holder.pid) in said.stderr


def test_processes_of_one_machine_have_it_open_together(tmp_path: Path, far: list[str]) -> None:
    root = new(tmp_path / "store")
    container = ["unshare", "--uts", "--map-root-user", "sh", "-c", 'hostname box; exec "$@"', "-"]
    with waiting(far, HOLDER, str(root)), waiting([*far, *container], HOLDER, str(root)) as second:
        second.communicate("")
        assert second.returncode == 0
    with waiting([], HOLDER, str(root)), waiting(container, HOLDER, str(root)):
        Workspace.open(root).runs()


def test_a_child_of_a_fork_holds_it_after_its_parent(tmp_path: Path, far: list[str]) -> None:
    root = new(tmp_path / "store")
    with waiting([], FORKING, str(root)) as parent:
        parent.wait()
        assert run(far, SHORT, str(root)).returncode == 1
        assert parent.stdin is not None
        parent.stdin.close()
        eventually(lambda: run(far, SHORT, str(root)).returncode == 0)


def test_many_that_begin_at_once_on_a_machine_that_was_another_one_all_begin(
    tmp_path: Path, far: list[str]
) -> None:
    root = new(tmp_path / "store")
    assert run(far, SHORT, str(root)).returncode == 0
    words = [sys.executable, "-c", SHORT, str(root)]
    started = [subprocess.Popen(words) for _ in range(8)]
    assert [process.wait() for process in started] == [0] * 8


def test_a_read_only_disk_is_not_read_while_another_machine_has_it_open(
    tmp_path: Path, far: list[str]
) -> None:
    root = new(tmp_path / "store")
    (tmp_path / "seen").mkdir()
    reading = """
import sys
from pathlib import Path
from ml_workspace_lab.storage.sqlite import SqliteDatabase
print(SqliteDatabase(Path(sys.argv[1])).one("SELECT name FROM workspace")["name"])
"""
    mount = 'mount --bind "$0" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    before = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount]
    before += [str(root), str(tmp_path / "seen")]
    database = str(tmp_path / "seen" / "workspace.db")
    with waiting(far, HOLDER, str(root)):
        refused = run(before, reading, database)
        assert NAME in refused.stderr
    assert run(before, reading, database).stdout == "lab\n"


def test_a_copy_of_a_folder_in_use_opens_here_and_elsewhere(tmp_path: Path, far: list[str]) -> None:
    root = new(tmp_path / "store")
    with waiting(far, HOLDER, str(root)):
        for name in ("here", "there"):
            subprocess.run(["cp", "-a", str(root), str(tmp_path / name)], check=True)
        Workspace.open(tmp_path / "here").experiment("e").start_logging().complete()
        assert run(far, SHORT, str(tmp_path / "there")).returncode == 0


def test_on_a_full_disk_nobody_is_kept_out(tmp_path: Path, shim: Path) -> None:
    root = new(tmp_path / "store")
    (root / "workspace.db.host").write_bytes(b"")
    faults = {"FAULT_KIND": "full", "FAULT_AT": "1", "FAULT_PATH": "workspace.db.host"}
    words = ["env", f"LD_PRELOAD={shim}", *(f"{name}={value}" for name, value in faults.items())]
    with waiting(words, HOLDER, str(root)):
        assert (root / "workspace.db.host").read_bytes() == b""
        assert run([], SHORT, str(root)).returncode == 0


@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_called_one(tmp_path: Path, shim: Path, error: str) -> None:
    root = new(tmp_path / "store")
    faults = {"FAULT_KIND": error, "FAULT_AT": "1", "FAULT_PATH": "workspace.db.host"}
    words = ["env", f"LD_PRELOAD={shim}", *(f"{name}={value}" for name, value in faults.items())]
    refused = run(words, SHORT, str(root))
    assert "Unavailable: The file system that holds the workspace has no locks" in refused.stderr


def test_a_place_where_sqlite_keeps_no_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unavailable, match="no write-ahead log there, and went on with 'memory'"):
        SqliteDatabase.create(Path(":memory:"))


def test_a_database_whose_log_was_switched_off_has_it_again(tmp_path: Path) -> None:
    root = new(tmp_path / "store")
    connection = sqlite3.connect(root / "workspace.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    ws = Workspace.open(root)
    ws.experiment("e").start_logging().complete()
    [mode] = ws.connection.storage.database.all(  # type: ignore[attr-defined]
        "SELECT journal_mode AS mode FROM pragma_journal_mode"
    )
    assert mode["mode"] == "wal"


def test_the_file_is_held_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    new(tmp_path / "store")
    database = SqliteDatabase(tmp_path / "store" / "workspace.db")
    place = tmp_path / "store" / "workspace.db.host"
    assert f'"pid": {os.getpid()}' in place.read_text()
    assert not is_held(place)
    database.one("SELECT 1 AS one")
    assert is_held(place)
    database.close()
    assert not is_held(place)
