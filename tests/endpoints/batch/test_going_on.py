"""Batches that are cut off, by real signals: what is finished is not scored again, no row is lost
and none is there twice."""

import signal
from pathlib import Path

import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import Retry
from tests.conftest import eventually
from tests.endpoints.batch.support import Gated, ended, programs, runners
from tests.endpoints.batch.test_batches import PREDICTIONS, predictions

AT_ONCE = Retry(2, backoff_seconds=0)


@pytest.fixture
def gated(ws: Workspace, tmp_path: Path) -> Gated:
    return Gated(ws, tmp_path)


def undisturbed(gated: Gated) -> bytes:
    """What a run leaves that nothing happens to."""
    gated.shut()
    gated.open()
    run = ended(gated.submit())
    assert predictions(run).prediction.tolist() == [2 * x for x in range(1000)]
    return run.read_artifact(PREDICTIONS)


def finished_ones(run: Run) -> int:
    """How many mini-batches are kept: before each in its artifact stands its length."""
    found = 0
    for name in run.get_file_names():
        content = run.read_artifact(name) if name.endswith(".part") else b""
        while content:
            found += 1
            content = content[8 + int.from_bytes(content[:8], "big") :]
    return found


def cut_off(ws: Workspace, gated: Gated, run: Run, victim: str) -> None:
    """Kill in the middle: the program, or the runner that has started it."""
    gated.wait_until_begun()
    eventually(lambda: finished_ones(run) == 10, what="all before the gate is finished")
    [program] = programs(ws)
    [process] = [program] if victim == "program" else runners(ws)
    process.send_signal(signal.SIGKILL)
    # Without its runner a program is ended, too: until then it would go on behind the gate.
    eventually(lambda: not program.is_running(), what="the program is gone")
    gated.open()


@pytest.mark.parametrize("victim", ["program", "runner"])
def test_another_attempt_goes_on_where_the_first_was_killed(
    ws: Workspace, gated: Gated, victim: str
) -> None:
    run = gated.submit(retry=AT_ONCE)
    cut_off(ws, gated, run, victim)
    ended(run)
    assert len(ws.connection.attempts.list(run.id).items) == 2
    assert "mini-batches are finished already" in run.get_log()
    calls = gated.calls()
    assert sorted(set(calls)) == list(range(0, 1000, 50))
    assert len(calls) <= 20 + 2, "but for what was under way nothing is scored again"
    assert run.read_artifact(PREDICTIONS) == undisturbed(gated)


def test_a_run_goes_on_from_one_that_was_killed_and_another_from_that(
    ws: Workspace, gated: Gated
) -> None:
    first = gated.submit()
    cut_off(ws, gated, first, "program")
    assert ended(first).get_status() is RunState.FAILED
    gated.shut()
    second = gated.submit(resume_from=first)
    cut_off(ws, gated, second, "runner")
    assert ended(second).get_status() is RunState.FAILED
    third = ended(gated.submit(resume_from=second))
    assert predictions(third).row.tolist() == list(range(1000))
    assert finished_ones(third) == 0
    assert third.read_artifact(PREDICTIONS) == undisturbed(gated)


def test_a_run_that_is_canceled_leaves_nothing_running_and_can_be_resumed(
    ws: Workspace, gated: Gated
) -> None:
    run = gated.submit()
    gated.wait_until_begun()
    eventually(lambda: finished_ones(run) == 10, what="all before the gate is finished")
    [program] = programs(ws)
    started = [program, *program.children(recursive=True)]
    run.cancel()
    assert ended(run).get_status() is RunState.CANCELED
    eventually(lambda: not any(process.is_running() for process in started), what="all are gone")
    assert finished_ones(run) == 10
    gated.open()
    again = ended(gated.submit(resume_from=run.id))
    assert again.read_artifact(PREDICTIONS) == undisturbed(gated)


def test_a_run_resumes_none_that_scored_something_else(ws: Workspace, gated: Gated) -> None:
    run = gated.submit()
    gated.wait_until_begun()
    eventually(lambda: finished_ones(run), what="something is finished")
    run.cancel()
    ended(run)
    gated.open()
    other = ended(gated.submit(resume_from=run, mini_batch_size=20))
    assert other.get_status() is RunState.FAILED
    assert "in mini-batches of 50, and this one is 20" in other.get_log()
    gated.data.write_text("x\n1\n")
    other = ended(gated.submit(resume_from=run))
    assert "'numbers.csv' has another content" in other.get_log()
