"""The runner and the background process are killed, and nobody is there: the run has its end all
the same, and no process of it is left."""

import sys
from pathlib import Path

import pytest

from ml_workspace_lab import NotebookRunConfig, Run, ScriptRunConfig, Workspace
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import Retry
from tests.conftest import agents, eventually
from tests.jobs.abandoned import Escape
from tests.jobs.test_faults import check_gone, runner_of
from tests.jobs.warm import await_spare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as Linux tells of processes")


def kill_both(run: Run) -> None:
    """As if the machine had no memory left: first the one who would see it."""
    runner = runner_of(run)
    for process in (*agents(Path(run.workspace.location)), runner):
        process.kill()


@pytest.fixture
def escape(tmp_path: Path) -> Escape:
    return Escape(tmp_path)


@pytest.mark.parametrize("kind", ["script", "notebook"])
def test_the_run_fails_with_the_signal(ws: Workspace, escape: Escape, kind: str) -> None:
    config = (
        ScriptRunConfig(escape.code, "work.py")
        if kind == "script"
        else NotebookRunConfig(escape.code, "nb.ipynb")
    )
    run = ws.experiment("e").submit(config)
    escape.await_pid()
    kill_both(run)
    check_failed(run)
    escape.check_gone()
    check_gone(run)


def check_failed(run: Run) -> None:
    eventually(lambda: run.get_status() is RunState.FAILED, what="it has its end")
    assert "killed by signal 9 (SIGKILL)" in run.info().reason


def test_the_run_is_tried_again_where_it_should_be(ws: Workspace, escape: Escape) -> None:
    retry = Retry(2, ["lost"], 0.0)
    run = ws.experiment("e").submit(ScriptRunConfig(escape.code, "work.py", retry=retry))
    escape.await_pid()
    kill_both(run)
    eventually(lambda: run.get_status() is RunState.COMPLETED, 60, "the second attempt ends")
    escape.check_gone()
    check_gone(run)


def test_a_run_in_a_kernel_that_waited_for_it_fails_so_too(
    ws: Workspace, escape: Escape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_WORKSPACE_PREWARMED", "1")
    spare = await_spare(Path(ws.location))
    run = ws.experiment("e").submit(NotebookRunConfig(escape.code, "nb.ipynb"))
    escape.await_pid()
    assert runner_of(run) == spare.runner
    kill_both(run)
    check_failed(run)
    escape.check_gone()


def test_what_has_got_away_is_ended_where_the_runner_alone_is_killed(
    ws: Workspace, escape: Escape
) -> None:
    run = ws.experiment("e").submit(ScriptRunConfig(escape.code, "work.py"))
    escape.await_pid()
    runner_of(run).kill()
    check_failed(run)
    escape.check_gone()
    check_gone(run)
