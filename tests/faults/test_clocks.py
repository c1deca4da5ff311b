"""Clocks that are wrong, or are put back or forward: order and ends of runs stay true."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Workspace
from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.jobs.model import Retry
from tests.conftest import agents, end_agents, eventually
from tests.faults.servers import Server
from tests.server.http import Client

pytestmark = pytest.mark.skipif(not shutil.which("faketime"), reason="faketime is missing")

DAY = 24 * 60 * 60 * 1000

CODE = """
import json, sys, time
from pathlib import Path
from ml_workspace_lab import Workspace
clock = Path(sys.argv[2])
ws = Workspace.open(sys.argv[1])
begun = time.time()
run = ws.experiment("clock").start_logging()
for step in range(100):
    run.log("m", step)
clock.write_text(sys.argv[3])
assert abs(time.time() - begun) > 80_000, "the clock was put elsewhere"
for step in range(100, 200):
    run.log("m", step)
run.complete()
info = run.info()
print(json.dumps({
    "values": run.get_metrics()["m"],
    "times": [info.created, info.started, info.ended],
    "states": [change.state for change in run.status_history],
}))
"""


def _library() -> str:
    """What makes a process see another time."""
    words = ["faketime", "-f", "+0", "sh", "-c", "echo $LD_PRELOAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _faked(clock: Path) -> list[str]:
    """The variables of a process that has the time that a file says."""
    return [
        f"LD_PRELOAD={_library()}",
        f"FAKETIME_TIMESTAMP_FILE={clock}",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]


@pytest.mark.parametrize("wrong", ["-1d", "+1d"])
def test_a_clock_that_is_put_elsewhere_changes_no_order(
    ws: Workspace, tmp_path: Path, wrong: str
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    told = subprocess.run(
        ["env", *_faked(clock), sys.executable, "-c", CODE, ws.location, str(clock), wrong],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["values"] == list(range(200))
    created, started, ended = found["times"]
    assert created <= started <= ended
    assert found["states"] == ["NotStarted", "Running", "Completed"]


@pytest.mark.parametrize("wrong", ["-1d", "+1d"])
def test_a_server_with_another_days_clock_serves_its_clients(ws: Workspace, wrong: str) -> None:
    server = Server(
        Path(ws.location), before=["env", f"LD_PRELOAD={_library()}", f"FAKETIME={wrong}"]
    )
    try:
        run = server.connect().experiment("clock").start_logging()
        for step in range(1000):
            run.log("m", step, step)
        run.complete()
        info = run.info()
    finally:
        server.kill()
    assert run.id in [one.id for one in ws.runs("clock")]
    assert info.started is not None
    assert info.ended is not None
    assert 0 <= info.ended - info.started < DAY / 2
    assert ws.run(run.id).get_metric_history("m").steps.tolist() == list(range(1000))


class Clocked:
    """A server and a background process whose clock is put elsewhere while they work."""

    def __init__(self, ws: Workspace, folder: Path) -> None:
        self.clock = folder / "clock"
        self.clock.write_text("+0")
        end_agents(Path(ws.location))
        self.server = Server(Path(ws.location), before=["env", *_faked(self.clock)])
        eventually(lambda: agents(Path(ws.location)), what="its background process is there")

    def put(self, wrong: str) -> None:
        self.clock.write_text(wrong)


@pytest.fixture
def clocked(ws: Workspace, tmp_path: Path) -> Iterator[Clocked]:
    found = Clocked(ws, tmp_path)
    yield found
    found.server.kill()
    end_agents(Path(ws.location))


@pytest.mark.parametrize("wrong", ["-1d", "+1d"])
def test_a_far_run_goes_on_where_the_servers_clock_is_put_elsewhere(
    clocked: Clocked, wrong: str
) -> None:
    began = time.monotonic()
    far = clocked.server.connect()
    with far.experiment("e").start_logging() as run:
        run.log("m", 0, 0)
        eventually(lambda: run.get_metrics() == {"m": 0.0})
        clocked.put(wrong)
        for step in range(1, 1000):
            run.log("m", step, step)
        eventually(lambda: len(run.get_metric_history("m").steps) == 1000)
        far.connection.runs.heartbeat(run.id)
        assert run.get_status() == "Running"
    info = run.info()
    assert info.state == "Completed"
    assert info.started is not None
    assert info.ended is not None
    assert 0 <= info.ended - info.started <= (time.monotonic() - began) * 1000 + 100
    assert {change.state for change in run.status_history} <= {
        "NotStarted", "Running", "NotResponding", "Completed",
    }  # fmt: skip
    assert run.get_metric_history("m").steps.tolist() == list(range(1000))


def test_a_pause_between_attempts_does_not_grow_by_a_clock_that_is_put_back(
    clocked: Clocked, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    tries = tmp_path / "tries"
    code = f"echo a >>{tries}; [ $(wc -l <{tries}) = 2 ]"
    retry = Retry(2, backoff_seconds=3)
    config = CommandConfig(tmp_path / "code", ["sh", "-c", code], retry=retry)
    run = clocked.server.connect().experiment("e").submit(config)
    eventually(lambda: "Attempt 2 follows" in run.info().reason, 60)
    clocked.put("-1d")
    assert run.wait_for_completion(timeout_seconds=60).state == "Completed"
    assert tries.read_text() == "a\na\n"


def test_a_token_is_over_by_the_servers_clock_at_the_moment(
    ws: Workspace, clocked: Clocked
) -> None:
    given = ws.connection.tokens.create(CreateToken("for a day", ["*"], days=1))
    ask = Client(f"{clocked.server.url}/", f"Bearer {given.token}")
    assert ask("GET", "/workspace").status == 200
    clocked.put("+23h")
    assert ask("GET", "/workspace").status == 200
    clocked.put("+25h")
    assert ask("GET", "/workspace").status == 401
    clocked.put("-1d")
    assert ask("GET", "/workspace").status == 200, "an hour before it was made, too"
