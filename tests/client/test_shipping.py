"""Metrics of a run whose workspace is on a server: kept here until the server has them."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.cli.main import run as command
from ml_workspace_lab.client.shipping import SHIPPER, Shipment
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.storage import spool
from ml_workspace_lab.storage.journal import FIRST_SEGMENT
from tests.conftest import eventually
from tests.faults.servers import TOKEN, Server
from tests.storage.test_full_disk import can_mount


@pytest.fixture
def served(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv(spool.VARIABLE, str(tmp_path / "spool"))
    server = Server(Path(ws.location))
    yield server
    server.kill()


def test_a_server_that_is_away_for_a_while_misses_nothing(served: Server) -> None:
    run = served.connect().experiment("away").start_logging()
    for round_ in range(3):
        for step in range(5000):
            run.log("m", step, round_ * 10_000 + step)
        served.kill()
        for step in range(5000, 10_000):
            run.log("m", step, round_ * 10_000 + step)
        served.start()
    run.complete()
    assert run.get_metric_history("m").steps.tolist() == list(range(30_000))
    assert not list(spool.root().iterdir())


LOG_AND_DIE = """
import os, sys
from ml_workspace_lab import Workspace
run = Workspace.connect(sys.argv[1], sys.argv[2]).experiment("dies").start_logging()
for step in range(10_000):
    run.log("m", step, step)
print(run.id, flush=True)
sys.stdin.readline()
for step in range(10_000, 20_000):
    run.log("m", step, step)
os.kill(os.getpid(), 9)
"""


def test_a_process_that_dies_at_once_is_missed_too(served: Server, ws: Workspace) -> None:
    run = served.connect().experiment("short").start_logging()
    heard = Path(ws.location) / "runs" / run.id / "heartbeat"
    eventually(heard.exists, 4)  # and not only when the first pause is over
    then = heard.stat().st_mtime - 60  # as after a minute of silence
    os.utime(heard, (then, then))
    assert ws.run(run.id).get_status() is RunState.NOT_RESPONDING
    run.complete()


def test_what_a_killed_process_left_is_sent_by_the_next_command(
    served: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [sys.executable, "-c", LOG_AND_DIE, served.url, TOKEN]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    served.kill()
    process.communicate("go on\n")
    assert process.returncode == -signal.SIGKILL
    assert [left.run_id for left in spool.left()] == [run_id]

    served.start()
    monkeypatch.setenv("ML_WORKSPACE_TOKEN", TOKEN)
    assert command(["-w", served.url, "-o", "json", "sync"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item["run_id"] == run_id
    run = served.connect().run(run_id)
    assert run.get_metric_history("m").steps.tolist() == list(range(20_000))
    assert run.get_status() is RunState.FAILED
    assert list(spool.left()) == []
    assert command(["-w", served.url, "sync"]) == 0


@pytest.mark.parametrize("later", [0, 1])
def test_a_server_put_back_to_an_earlier_state_is_sent_what_is_still_here(
    served: Server, later: int
) -> None:
    run = served.connect().experiment("restored").start_logging()
    run.log("m", 0, 0)
    run.flush()
    backup = _backup(served)
    for step in range(1, 100):
        run.log("m", step, step)
    run.flush()
    assert len(run.get_metric_history("m")) == 100

    _put_back(served, backup)
    for step in range(100, 100 + later):
        run.log("m", step, step)
    run.complete()
    assert run.get_metric_history("m").steps.tolist() == list(range(100 + later))
    assert run.properties == {}


def test_what_is_nowhere_any_more_is_counted_where_users_see_it(served: Server) -> None:
    run = served.connect().experiment("restored").start_logging()
    run.log("m", 0, 0)
    run.flush()
    backup = _backup(served)
    for step in range(1, FIRST_SEGMENT + 10):
        run.log("m", step, step)
    run.flush()  # and the first segment is let go of
    _put_back(served, backup)
    run.complete()
    kept = [0, *range(FIRST_SEGMENT, FIRST_SEGMENT + 10)]
    assert run.get_metric_history("m").steps.tolist() == kept
    assert run.properties == {"lost_metric_points": str(FIRST_SEGMENT - 1)}


def _backup(served: Server) -> bytes:
    """What a backup would hold: the database of this moment, its write-ahead log taken in."""
    served.kill()
    database = served.root / "workspace.db"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    backup = database.read_bytes()
    served.start()
    return backup


def _put_back(served: Server, backup: bytes) -> None:
    served.kill()
    for leftover in served.root.glob("workspace.db-*"):
        leftover.unlink()
    (served.root / "workspace.db").write_bytes(backup)
    served.start()


def test_a_run_that_waits_for_its_server_ends_when_it_is_back(served: Server) -> None:
    run = served.connect().experiment("waits").start_logging()
    run.log("m", 1)
    served.kill()
    run.log("asked in vain", 2)
    with pytest.raises(Exception, match="can't be reached"):
        run.complete()
    served.start()
    run.complete()
    assert run.get_metrics() == {"m": 1.0, "asked in vain": 2.0}
    eventually(lambda: not list(spool.root().iterdir()))


def test_the_first_value_of_a_run_waits_for_no_server(served: Server) -> None:
    run = served.connect().experiment("first").start_logging()
    served.kill()
    run.log("m", 1)
    run.log("m", 2)
    served.start()
    run.complete()
    assert run.get_metric_history("m").steps.tolist() == [0, 1]
    other = served.connect().run(run.id)
    with pytest.raises(Conflict, match="takes no more metrics"):
        other.log("m", 3)


def test_a_shipment_that_fails_stops_no_other_and_goes_on(
    served: Server, ws: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    there = served.connect()
    ill, well = (there.experiment("ill").start_logging() for _ in range(2))
    faults = iter([ZeroDivisionError, ZeroDivisionError, None])

    def fault() -> None:
        if kind := next(faults, None):
            raise kind

    writer = there.connection.metric_writer(ill.id)
    shipment = Shipment(there.connection, ill.id, writer, fault)
    SHIPPER.add(shipment)
    writer.append("m", 1.0)
    well.log("m", 2)
    eventually(lambda: ws.run(well.id).get_metrics() == {"m": 2.0})
    eventually(lambda: ws.run(ill.id).get_metrics() == {"m": 1.0})
    assert capfd.readouterr().err.count("ZeroDivisionError") == 1
    shipment.finish()
    shipment.remove()
    for run in (ill, well):
        run.complete()


FILL_AND_LOG = """
import sys, warnings
from pathlib import Path
from ml_workspace_lab import Workspace
warnings.simplefilter("ignore")
run = Workspace.connect(sys.argv[1], sys.argv[2]).experiment("full").start_logging()
run.log("m", 0, 0)
ballast = Path(sys.argv[3], "ballast")
with ballast.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass
for step in range(1, 200_000):
    run.log("m", step, step)
ballast.unlink()
run.log("m", 200_000, 200_000)
run.complete()
print(run.id)
"""


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
def test_a_full_spool_stops_no_work_and_loses_nothing(served: Server, ws: Workspace) -> None:
    small = spool.root()
    small.mkdir()
    words = f"mount -t tmpfs -o size=3m tmpfs {small} && exec {sys.executable} -c '{FILL_AND_LOG}'"
    ended = subprocess.run(
        [
            "unshare",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            f"{words} {served.url} {TOKEN} {small}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    run = ws.run(ended.stdout.strip())
    assert run.get_metric_history("m").steps.tolist() == list(range(200_001))
    assert run.get_status() is RunState.COMPLETED


LOG_TO_ANOTHERS = """
import sys
from ml_workspace_lab import Workspace
ws = Workspace.connect(sys.argv[1], sys.argv[2])
for step in range(10):
    ws.run(sys.argv[3]).log("other", step, step)
"""


def test_a_process_that_logs_to_anothers_run_leaves_nothing_behind(served: Server) -> None:
    with served.connect().experiment("others").start_logging() as run:
        words = [sys.executable, "-c", LOG_TO_ANOTHERS, served.url, TOKEN, run.id]
        subprocess.run(words, check=True)
        assert run.get_metric_history("other").steps.tolist() == list(range(10))
    assert not list(spool.root().iterdir())
