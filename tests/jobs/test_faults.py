"""Kill each part in mid-run: every run has its true end, nothing acknowledged is lost, and no
process is left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import CommandConfig, NotebookRunConfig, Run, Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import (
    agents,
    arguments_of,
    end_agents,
    end_server,
    eventually,
    of_workspace,
    start_server,
)
from tests.notebooks import write_notebook

# It goes on until the file "enough" is there. Each step is acknowledged by a file that is replaced
# after log() and print() have returned.
WORK = """
import os, time
from pathlib import Path
from ml_workspace_lab import Run
run = Run.get_context()
step = 0
while not Path(FOLDER, "enough").exists():
    run.log("step", step)
    print("line", step, flush=True)
    Path(FOLDER, "new").write_text(str(step))
    os.replace(Path(FOLDER, "new"), Path(FOLDER, "acknowledged"))
    step += 1
    time.sleep(0.02)
"""


class Acknowledged:
    """What the code of a run was told that it has logged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        source = WORK.replace("FOLDER", repr(str(folder)))
        write_notebook(folder / "nb.ipynb", source, "print('after')")

    @property
    def last(self) -> int:
        """The number of the last step, -1 before the first."""
        path = self._folder / "acknowledged"
        return int(path.read_text()) if path.exists() else -1

    def wait_for_more(self) -> None:
        before = self.last
        eventually(lambda: self.last >= before + 3, what="the code goes on")

    def end(self) -> None:
        (self._folder / "enough").touch()


@pytest.fixture
def acknowledged(tmp_path: Path) -> Acknowledged:
    return Acknowledged(tmp_path)


@pytest.fixture
def run(ws: Workspace, tmp_path: Path, acknowledged: Acknowledged) -> Run:
    """A notebook run in its middle."""
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    acknowledged.wait_for_more()
    return run


def runner_of(run: Run) -> psutil.Process:
    return next(p for p in of_workspace(Path(run.workspace.location)) if run.id in arguments_of(p))


def kernel_of(run: Run) -> psutil.Process:
    return next(
        c for c in runner_of(run).children(recursive=True) if "ipykernel" in str(arguments_of(c))
    )


def check_kept(run: Run, acknowledged: Acknowledged, *, whole_log: bool = True) -> None:
    """Every acknowledged metric and line is there, once, in order. Of a kernel that was killed, or
    that nobody listened to any more, the log's end may be missing, in the middle of a line, too."""
    last = acknowledged.last
    steps = run.get_metrics()["step"]
    assert steps == list(range(len(steps)))
    assert len(steps) > last
    printed = [line for line in run.get_log().splitlines() if line.startswith("line")]
    wanted = [f"line {step}" for step in range(len(printed))]
    if whole_log:
        assert printed == wanted
        assert len(printed) > last
    else:
        assert printed[:-1] == wanted[:-1]
        assert not printed or wanted[-1].startswith(printed[-1])


def check_gone(run: Run) -> None:
    eventually(lambda: not of_workspace(Path(run.workspace.location)), what="no process is left")


def test_killing_the_kernel_fails_the_run_with_the_signal(
    run: Run, acknowledged: Acknowledged
) -> None:
    kernel_of(run).send_signal(signal.SIGKILL)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=30)
    assert info.state is RunState.FAILED
    assert "kernel died: killed by signal 9 (SIGKILL)" in info.reason
    check_kept(run, acknowledged, whole_log=False)
    check_gone(run)


def test_killing_the_runner_fails_the_run_and_ends_its_kernel(
    run: Run, acknowledged: Acknowledged
) -> None:
    kernel = kernel_of(run)
    runner_of(run).send_signal(signal.SIGKILL)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=30)
    assert info.state is RunState.FAILED
    assert "runner process ended: killed by signal 9 (SIGKILL)" in info.reason
    check_kept(run, acknowledged, whole_log=False)
    eventually(lambda: not kernel.is_running(), what="the kernel is ended")
    check_gone(run)


def test_killing_the_dispatcher_leaves_the_run_alone(run: Run, acknowledged: Acknowledged) -> None:
    end_agents(Path(run.workspace.location))
    acknowledged.wait_for_more()
    acknowledged.end()
    info = run.wait_for_completion(timeout_seconds=60)
    assert info.state is RunState.COMPLETED
    assert run.get_metrics()["step"] == list(range(acknowledged.last + 1))
    check_kept(run, acknowledged)
    check_gone(run)


def test_killing_dispatcher_and_runner_is_found_out_by_the_next_dispatcher(
    run: Run, acknowledged: Acknowledged, tmp_path: Path
) -> None:
    root = Path(run.workspace.location)
    end_agents(root)
    runner_of(run).send_signal(signal.SIGKILL)
    assert run.get_status() is RunState.RUNNING, "nobody is there to find out"
    (tmp_path / "other").mkdir()
    command = CommandConfig(tmp_path / "other", ["true"])
    other = run.workspace.experiment("e").submit(command)
    eventually(lambda: run.get_status() is RunState.FAILED, 30)
    check_kept(run, acknowledged, whole_log=False)
    other.wait_for_completion(timeout_seconds=60)
    check_gone(run)


def test_a_run_whose_runner_stands_still_is_not_responding_until_it_goes_on(
    run: Run, acknowledged: Acknowledged
) -> None:
    runner = runner_of(run)
    runner.suspend()
    eventually(lambda: run.get_status() is RunState.NOT_RESPONDING)
    acknowledged.wait_for_more()
    assert run.info().reason == "Its runner stands still."
    runner.resume()
    eventually(lambda: run.get_status() is RunState.RUNNING)
    acknowledged.end()
    assert run.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED
    check_kept(run, acknowledged)


def test_a_run_whose_kernel_was_stopped_is_not_responding_until_it_goes_on(
    run: Run, acknowledged: Acknowledged
) -> None:
    kernel = kernel_of(run)
    kernel.suspend()
    eventually(lambda: run.get_status() is RunState.NOT_RESPONDING)
    assert run.info().reason == "Its program stands still: it was stopped by a signal."
    looked_again(run)
    assert run.get_status() is RunState.NOT_RESPONDING, "its runner answers all the while"
    kernel.resume()
    eventually(lambda: run.get_status() is RunState.RUNNING)
    acknowledged.wait_for_more()
    acknowledged.end()
    assert run.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED
    check_kept(run, acknowledged)
    states = [change.state for change in run.status_history]
    assert states.count(RunState.NOT_RESPONDING) == 1


def looked_again(run: Run) -> None:
    """The dispatcher has looked at every run since: it has begun and ended another one."""
    folder = Path(run.workspace.location).parent / "other"
    folder.mkdir()
    other = run.workspace.experiment("e").submit(CommandConfig(folder, ["true"]))
    other.wait_for_completion(timeout_seconds=60)


def test_killing_the_jupyter_server_leaves_its_runs_alone(tmp_path: Path) -> None:
    ws = Workspace.create("lab", tmp_path / "store")
    server = start_server(tmp_path, tmp_path / "store")
    acknowledged = Acknowledged(tmp_path)
    remote = server.connect()
    run = remote.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    acknowledged.wait_for_more()
    server.process.kill()
    server.process.wait(10)
    acknowledged.wait_for_more()
    remote.close()
    again = start_server(tmp_path, tmp_path / "store")
    here = ws.run(run.id)
    assert here.get_status() is RunState.RUNNING
    acknowledged.end()
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
