"""What a program or a cell prints before it is killed is in the log."""

import signal
from pathlib import Path

import psutil

from ml_workspace_lab import NotebookRunConfig, ScriptRunConfig, Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually
from tests.jobs.test_faults import kernel_of, runner_of
from tests.notebooks import write_notebook

COUNT = 200_000
BURST = (
    "import os, sys\n"
    "print('begun', flush=True)\n"
    f"for number in range({COUNT}):\n"
    "    print('line', number)\n"
    "os.kill(os.getpid(), 9)\n"
)
LINES = [f"line {number}" for number in range(COUNT)]


def test_a_program_that_is_killed_at_once_has_all_its_lines(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "burst.py").write_text(BURST)
    run = ws.experiment("e").submit(ScriptRunConfig(tmp_path, "burst.py"))
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
    assert "killed by signal 9" in info.reason
    assert run.get_log().splitlines() == ["begun", *LINES]


def test_of_a_kernel_that_is_killed_all_is_there_that_it_had_handed_over(
    ws: Workspace, tmp_path: Path
) -> None:
    """Its runner, which had no time to look meanwhile, finds the end before the output."""
    go, said = tmp_path / "go", LINES[:2000]
    write_notebook(
        tmp_path / "nb.ipynb",
        "import os, time\n"
        "print('begun', flush=True)\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        f"print(*({said!r}), sep='\\n', flush=True)\n"
        "time.sleep(1)\n"  # the socket's own thread passes on what was flushed
        "os.kill(os.getpid(), 9)",
    )
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    eventually(lambda: "begun" in run.get_log(), 60)
    runner, kernel = runner_of(run), kernel_of(run)
    runner.send_signal(signal.SIGSTOP)
    go.touch()
    eventually(lambda: has_died(kernel))
    runner.send_signal(signal.SIGCONT)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
    assert info.state is RunState.FAILED
    assert "kernel died: killed by signal 9" in info.reason
    assert run.get_log().splitlines() == ["begun", *said]


def test_of_a_cell_that_is_killed_at_once_no_line_is_there_twice_or_out_of_order(
    ws: Workspace, tmp_path: Path
) -> None:
    write_notebook(tmp_path / "nb.ipynb", "print('first')", BURST)
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
    assert "kernel died: killed by signal 9" in info.reason
    log = run.get_log()
    assert log.startswith("first\nbegun\n")
    printed = "\n".join(["first", "begun", *LINES, ""])
    assert printed.startswith(log), "the end may be missing, and nothing else"


def has_died(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
