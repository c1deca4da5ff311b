"""Clocks that are wrong, or are put back or forward: order and ends of runs stay true."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from tests.faults.servers import Server

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


@pytest.mark.parametrize("wrong", ["-1d", "+1d"])
def test_a_clock_that_is_put_elsewhere_changes_no_order(
    ws: Workspace, tmp_path: Path, wrong: str
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": _library(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    told = subprocess.run(
        [sys.executable, "-c", CODE, ws.location, str(clock), wrong],
        env={**os.environ, **faked},
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
