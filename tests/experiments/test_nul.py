"""Text with a NUL: refused by name on both databases, and no hindrance to a run's end."""

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments import run_store
from ml_workspace_lab.experiments.model import EndRun, RunState, StartRun, UpdateRun


def test_each_text_with_a_nul_is_refused_with_its_field(ws: Workspace) -> None:
    runs = ws.connection.runs
    run_id = runs.start("e", StartRun(kind="external")).run_id
    for body, where in (
        (StartRun(kind="external", params={"x": "a\0b"}), "params.x"),
        (StartRun(kind="external", tags={"x": "a\0b"}), "tags.x"),
    ):
        with pytest.raises(InvalidInput, match="NUL") as refused:
            runs.start("e", body)
        assert refused.value.field == where
    for update, where in (
        (UpdateRun(tags={"x": "\0"}), "tags.x"),
        (UpdateRun(properties={"x": "\0"}), "properties.x"),
        (UpdateRun(description="\0"), "description"),
    ):
        with pytest.raises(InvalidInput, match="NUL") as refused:
            runs.update(run_id, update)
        assert refused.value.field == where
    with pytest.raises(InvalidInput, match="NUL") as refused:
        runs.end(run_id, EndRun("Failed", "a\0b"))
    assert refused.value.field == "reason"


def test_a_run_ends_whatever_its_reason_says(ws: Workspace) -> None:
    run = ws.experiment("e").start_logging()
    run.fail("a\0b")
    assert (run.info().state, run.info().reason) == (RunState.FAILED, "a\\x00b")
    other = ws.connection.runs.start("e", StartRun(kind="external")).run_id
    with ws.connection.storage.database.write() as transaction:
        run_store.transition(transaction, other, RunState.FAILED, "a\0b")
    assert ws.connection.runs.get(other).reason == "a\\x00b"
