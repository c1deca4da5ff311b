"""A database that another process holds, and one that is damaged: found, read, salvaged."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.sqlite import SqliteDatabase
from ml_workspace_lab.workspace.recovery import recover

PAGE = 4096
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_database_that_is_locked_is_waited_for_five_seconds_and_read_meanwhile(
    tmp_path: Path,
) -> None:
    ws = Workspace.create("lab", tmp_path / "store")
    ws.experiment("e").start_logging().complete()
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "store" / "workspace.db")]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert len(ws.runs()) == 1
        assert len(Workspace.open(tmp_path / "store").runs()) == 1
        began = time.monotonic()
        with (
            pytest.raises(Unavailable, match="over 5 s") as refusal,
            ws.connection.storage.database.write(),  # type: ignore[attr-defined]
        ):
            pass
        assert 4.5 < time.monotonic() - began < 7
        assert refusal.value.status == 503
        holder.communicate("")
    ws.experiment("e").start_logging().complete()
    assert len(ws.runs()) == 2


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A workspace of 400 runs with parameters; pages of `run` and of `attribute` are garbage."""
    root = tmp_path / "store"
    ws = Workspace.create("lab", root)
    with ws.experiment("e").start_logging() as run:
        run.log_params({"lr": 0.1})
        run.log("loss", 1.0)
        run.upload_file("a.txt", __file__)
    ws.close()
    with closing(sqlite3.connect(root / "workspace.db")) as connection, connection:
        for number in range(2, 402):
            _add_run(connection, number)
    with closing(sqlite3.connect(root / "workspace.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(root / "workspace.db", b"marked run 200 ")
    overwrite(root / "workspace.db", b"marked value 300 ")
    return root


def _add_run(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(
        "INSERT INTO run (id, uid, experiment, number, kind, display_name, description, state,"
        " user, created, started, ended, changed, doc) SELECT ?, ?, experiment, ?, kind, ?, ?,"
        " state, user, created, started, ended, 0, doc FROM run WHERE id = 1",
        (number, f"{number:032x}", number, f"n{number}", f"marked run {number} " * 10),
    )
    connection.execute(
        "INSERT INTO attribute (run, key, value) VALUES (?, 1, ?)",
        (number, f"marked value {number} " * 3),
    )


def overwrite(path: Path, text: bytes) -> None:
    """Put garbage over the first page of the file that holds the text in a leaf of a table."""
    content = bytearray(path.read_bytes())
    begin = content.index(text) // PAGE * PAGE
    content[begin : begin + PAGE] = b"\xa5" * PAGE
    path.write_bytes(content)


def test_a_damaged_database_is_read_as_far_as_it_is_whole_and_written_no_more(
    damaged: Path,
) -> None:
    ws = Workspace.open(damaged)
    database = SqliteDatabase(damaged / "workspace.db")
    assert database.all("SELECT * FROM event")
    assert database.one("SELECT uid FROM run WHERE id = 1")
    assert ws.info().name == "lab"
    with pytest.raises(Unavailable, match="damaged"):
        ws.runs(limit=None)
    for handle in (ws, Workspace.open(damaged)):
        with pytest.raises(Unavailable, match=r"damaged \(table .*run") as refusal:
            handle.experiment("f").start_logging()
        assert "ml-workspace recover" in str(refusal.value)
    [finding] = [item for item in ws.diagnose().items if item.check == "database"]
    assert finding.level == "Error"
    assert "table attribute" in finding.message or "table run" in finding.message


def test_what_can_be_read_is_salvaged_into_a_new_workspace(damaged: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in damaged.rglob("workspace.db")}
    found = recover(damaged, tmp_path / "saved")
    assert not found.is_whole
    by_table = {item.table: item for item in found.items}
    assert 300 < by_table["run"].saved < 401
    assert by_table["run"].gaps
    assert by_table["attribute"].gaps or by_table["attribute"].left_out
    assert by_table["event"].gaps == []
    assert {path: path.read_bytes() for path in before} == before
    ws = Workspace.open(tmp_path / "saved")
    assert len(ws.runs(limit=None)) == by_table["run"].saved
    [whole] = [run for run in ws.runs(limit=None) if run.number == 1]
    assert whole.get_metrics() == {"loss": 1.0}
    assert whole.params == {"lr": 0.1}
    assert whole.read_artifact("a.txt") == Path(__file__).read_bytes()
    [finding] = [item for item in ws.diagnose().items if item.check == "database"]
    assert finding.level == "Information"
    ws.experiment("e").start_logging().complete()


def test_a_whole_workspace_is_recovered_whole(tmp_path: Path) -> None:
    ws = Workspace.create("lab", tmp_path / "store")
    ws.experiment("e").start_logging().complete()
    ws.close()
    found = recover(tmp_path / "store", tmp_path / "saved")
    assert found.is_whole
    assert {item.table: item.saved for item in found.items}["run"] == 1


def test_runs_whose_experiment_is_lost_are_kept_in_one_that_says_so(tmp_path: Path) -> None:
    ws = Workspace.create("lab", tmp_path / "store")
    for name in ("a", "b"):
        ws.experiment(name).start_logging().complete()
    ws.close()
    with closing(sqlite3.connect(tmp_path / "store" / "workspace.db")) as connection, connection:
        connection.execute("DELETE FROM experiment WHERE id = 1")
    recover(tmp_path / "store", tmp_path / "saved")
    saved = Workspace.open(tmp_path / "saved")
    assert saved.experiments.keys() == {"b", "recovered-1"}
    assert len(saved.runs()) == 2
    assert saved.experiment("recovered-1").start_logging().number == 2


def test_a_file_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    ws = Workspace.create("lab", tmp_path / "store")
    ws.close()
    path = tmp_path / "store" / "workspace.db"
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(Unavailable, match="Nothing of the database can be read"):
        recover(tmp_path / "store", tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    assert not SqliteDatabase(path).path.with_name("workspace.db.damaged").exists()
