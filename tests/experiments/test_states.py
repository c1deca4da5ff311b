"""The states of a run: one table, and what can be reached in it."""

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import EndRun, RunState
from ml_workspace_lab.experiments.states import TRANSITIONS, check_transition

ENDS = {state for state in RunState if state.is_terminal}


def test_every_state_has_its_row_and_ends_lead_nowhere() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert {RunState.COMPLETED, RunState.FAILED, RunState.CANCELED} == ENDS
    for state in RunState:
        assert bool(TRANSITIONS[state]) is (state not in ENDS)


def test_from_every_state_a_run_can_still_fail_or_be_canceled() -> None:
    for state in set(RunState) - ENDS:
        assert {RunState.FAILED, RunState.CANCELED} <= TRANSITIONS[state], state


def test_what_can_not_follow_is_refused() -> None:
    check_transition("r", RunState.QUEUED, RunState.RUNNING, "notebook")
    with pytest.raises(Conflict, match="is Completed and can't become Running"):
        check_transition("r", RunState.COMPLETED, RunState.RUNNING, "interactive")
    check_transition("r", RunState.COMPLETED, RunState.RUNNING, "external")


def test_an_end_is_never_changed(ws: Workspace) -> None:
    run = ws.experiment("e").start_logging()
    run.complete()
    with pytest.raises(Conflict):
        ws.connection.runs.end(run.id, EndRun("Failed", "changed my mind"))
    info = run.info()
    assert (info.state, info.reason) == (RunState.COMPLETED, "")
    assert [change.state for change in run.status_history][-1] == "Completed"
