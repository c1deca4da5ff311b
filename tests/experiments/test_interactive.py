"""Interactive runs: alive while their process is, and closed when it is not."""

import subprocess
import sys
from pathlib import Path

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually

BODY = """
import sys, time
from ml_workspace_lab import Workspace
run = Workspace.open(sys.argv[1]).experiment("e").start_logging()
for step in range(50):
    run.log("loss", step)
print(run.id, flush=True)
{end}
"""


def started(root: Path, end: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", BODY.format(end=end), str(root)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def run_id(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_killed_process_fails_its_run_and_keeps_what_it_logged(ws: Workspace) -> None:
    process = started(Path(ws.location), "time.sleep(1000)")
    run = ws.run(run_id(process))
    assert run.get_status() is RunState.RUNNING
    process.kill()
    process.wait()
    ws.connection.runs.list()
    eventually(lambda: run.get_status() is RunState.FAILED, what="closed within 30 s")
    assert "process" in run.info().reason
    assert run.get_metrics()["loss"] == list(range(50))


def test_a_process_that_ends_by_itself_ends_its_run(ws: Workspace) -> None:
    ended = started(Path(ws.location), "")
    run = ws.run(run_id(ended))
    ended.wait()
    eventually(lambda: run.get_status().is_terminal)
    failed = started(Path(ws.location), "raise ValueError('bad luck')")
    other = ws.run(run_id(failed))
    failed.wait()
    eventually(lambda: other.get_status().is_terminal)
    assert other.get_status() is RunState.FAILED
    assert "bad luck" in other.info().reason
    assert run.get_status() is RunState.COMPLETED
