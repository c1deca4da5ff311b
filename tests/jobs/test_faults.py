"""Kill each part in mid-run: every run has its true end, nothing acknowledged is lost, and no
process is left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import NotebookRunConfig, Run, Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import agents, end_agents, end_server, eventually, of_workspace, start_server
from tests.notebooks import write_notebook

STEPS = 30
# Each step is acknowledged by a file that is written after log() and print() have returned.
WORK = """
import os, time
from pathlib import Path
from ml_workspace_lab import Run
run = Run.get_context()
for step in range(STEPS):
    run.log("step", step)
    print("line", step, flush=True)
    Path(ACKNOWLEDGED).write_text(str(step))
    time.sleep(0.1)
"""


@pytest.fixture
def acknowledged(tmp_path: Path) -> Path:
    return tmp_path / "acknowledged"


@pytest.fixture
def run(ws: Workspace, tmp_path: Path, acknowledged: Path) -> Run:
    """A notebook run in its middle."""
    source = WORK.replace("STEPS", str(STEPS)).replace("ACKNOWLEDGED", repr(str(acknowledged)))
    write_notebook(tmp_path / "nb.ipynb", source, "print('after')")
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    eventually(lambda: acknowledged.exists() and int(acknowledged.read_text() or 0) >= 3)
    return run


def runner_of(run: Run) -> psutil.Process:
    return next(p for p in of_workspace(Path(run.workspace.location)) if run.id in p.cmdline())


def kernel_of(run: Run) -> psutil.Process:
    return next(
        c for c in runner_of(run).children(recursive=True) if "ipykernel" in str(c.cmdline())
    )


def check_kept(run: Run, acknowledged: Path) -> None:
    """Every acknowledged metric and line is there, once."""
    last = int(acknowledged.read_text())
    steps = run.get_metrics()["step"]
    assert steps[: last + 1] == list(range(last + 1))
    assert len(steps) == len(set(steps))
    lines = [line for line in run.get_log().splitlines() if line.startswith("line")]
    assert len(lines) == len(set(lines))


def check_gone(run: Run) -> None:
    eventually(lambda: not of_workspace(Path(run.workspace.location)), what="no process is left")


def test_killing_the_kernel_fails_the_run_with_the_signal(run: Run, acknowledged: Path) -> None:
    kernel_of(run).send_signal(signal.SIGKILL)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=30)
    assert info.state is RunState.FAILED
    assert "kernel died: killed by signal 9 (SIGKILL)" in info.reason
    check_kept(run, acknowledged)
    check_gone(run)


def test_killing_the_runner_fails_the_run_and_ends_its_kernel(run: Run, acknowledged: Path) -> None:
    kernel = kernel_of(run)
    runner_of(run).send_signal(signal.SIGKILL)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=30)
    assert info.state is RunState.FAILED
    assert "runner process ended: killed by signal 9 (SIGKILL)" in info.reason
    check_kept(run, acknowledged)
    eventually(lambda: not kernel.is_running(), what="the kernel is ended")
    check_gone(run)


def test_killing_the_dispatcher_leaves_the_run_alone(run: Run, acknowledged: Path) -> None:
    end_agents(Path(run.workspace.location))
    info = run.wait_for_completion(timeout_seconds=60)
    assert info.state is RunState.COMPLETED
    assert run.get_metrics()["step"] == list(range(STEPS))
    check_kept(run, acknowledged)
    check_gone(run)


def test_killing_dispatcher_and_runner_is_found_out_by_the_next_dispatcher(
    run: Run, acknowledged: Path, tmp_path: Path
) -> None:
    root = Path(run.workspace.location)
    end_agents(root)
    runner_of(run).send_signal(signal.SIGKILL)
    assert run.get_status() is RunState.RUNNING, "nobody is there to find out"
    other = run.workspace.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    eventually(lambda: run.get_status() is RunState.FAILED, 30)
    check_kept(run, acknowledged)
    other.wait_for_completion(timeout_seconds=60)
    check_gone(run)


def test_a_runner_that_stands_still_goes_on(run: Run, acknowledged: Path) -> None:
    runner = runner_of(run)
    runner.suspend()
    before = acknowledged.read_text()
    eventually(lambda: acknowledged.read_text() != before, what="the kernel works on")
    assert run.get_status() is RunState.RUNNING
    runner.resume()
    assert run.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED
    check_kept(run, acknowledged)


def test_killing_the_jupyter_server_leaves_its_runs_alone(tmp_path: Path) -> None:
    ws = Workspace.create("lab", tmp_path / "store")
    server = start_server(tmp_path, tmp_path / "store")
    acknowledged = tmp_path / "acknowledged"
    source = WORK.replace("STEPS", str(STEPS)).replace("ACKNOWLEDGED", repr(str(acknowledged)))
    write_notebook(tmp_path / "nb.ipynb", source)
    remote = server.connect()
    run = remote.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    eventually(acknowledged.exists)
    server.process.kill()
    server.process.wait(10)
    remote.close()
    again = start_server(tmp_path, tmp_path / "store")
    here = ws.run(run.id)
    assert here.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED
    check_kept(here, acknowledged)
    end_server(again.process)
    check_gone(here)
    eventually(lambda: not agents(tmp_path / "store"), 30, "the agent leaves when it is idle")


INTERACTIVE = """
import sys, time
from ml_workspace_lab import Workspace
run = Workspace.open(sys.argv[1]).experiment("e").start_logging()
run.log("x", 1)
print(run.id, flush=True)
WHAT
"""


@pytest.mark.parametrize(
    ("what", "state", "reason"),
    [
        ("time.sleep(1000)", RunState.FAILED, "ended without closing"),
        ("sys.exit(0)", RunState.COMPLETED, ""),
        ("1 / 0", RunState.FAILED, "ZeroDivisionError"),
        ("import os; os._exit(3)", RunState.FAILED, "ended without closing"),
    ],
)
def test_an_interactive_run_ends_as_its_process_does(
    ws: Workspace, what: str, state: RunState, reason: str
) -> None:
    code = INTERACTIVE.replace("WHAT", what)
    process = subprocess.Popen(
        [sys.executable, "-c", code, ws.location], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    run = ws.run(process.stdout.readline().decode().strip())
    if "sleep" in what:
        assert run.get_status() is RunState.RUNNING
        process.kill()
    process.wait(30)
    process.stdout.close()
    info = eventually(lambda: run.info() if run.info().state.is_terminal else None, 30)
    assert info.state is state
    assert reason in info.reason
    assert run.get_metrics() == {"x": 1}


def test_a_forked_child_does_not_keep_its_parents_run_open(ws: Workspace) -> None:
    code = INTERACTIVE.replace(
        "WHAT", "import os\nif os.fork() == 0:\n    time.sleep(1000)\nos._exit(1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, ws.location], stdout=subprocess.PIPE)
    assert process.stdout is not None
    run = ws.run(process.stdout.readline().decode().strip())
    process.wait(30)
    child = next(p for p in psutil.process_iter(["cmdline"]) if code in (p.info["cmdline"] or ()))
    eventually(lambda: run.get_status() is RunState.FAILED, 30)
    os.kill(child.pid, signal.SIGKILL)
    process.stdout.close()
