"""Deleting and restoring: what comes back, and what the trash says."""

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import RunState, StartRun
from tests.experiments.trash_support import made, names


def test_a_run_goes_to_the_trash_and_comes_back(ws: Workspace) -> None:
    run = made(ws, "a")
    assert ws.connection.runs.delete(run.id).deleted is not None
    assert names(ws, "a") == set()
    assert ws.connection.experiments.get("a").run_count == 0
    with pytest.raises(Conflict):
        run.tag("k", "v")
    assert ws.connection.runs.restore(run.id).deleted is None
    assert names(ws, "a") == {run.id}
    assert ws.connection.experiments.get("a").run_count == 1


def test_deleting_and_restoring_twice_changes_nothing(ws: Workspace) -> None:
    run = made(ws, "a")
    first = ws.connection.runs.delete(run.id)
    assert ws.connection.runs.delete(run.id) == first
    ws.connection.runs.restore(run.id)
    ws.connection.runs.restore(run.id)
    assert ws.connection.experiments.get("a").run_count == 1
    deleted = ws.connection.experiments.delete("a")
    assert ws.connection.experiments.delete("a").deleted == deleted.deleted


def test_what_goes_on_is_not_deleted(ws: Workspace) -> None:
    with ws.experiment("a").start_logging() as run:
        with pytest.raises(Conflict):
            ws.connection.runs.delete(run.id)
        with pytest.raises(Conflict):
            ws.connection.experiments.delete("a")
    external = ws.connection.runs.start("b", StartRun(kind="external"))
    assert external.state is RunState.RUNNING
    assert ws.connection.runs.delete(external.run_id).deleted is not None


def test_an_experiment_comes_back_with_the_runs_that_were_deleted_with_it(ws: Workspace) -> None:
    before, with_it = made(ws, "a"), made(ws, "a")
    ws.connection.runs.delete(before.id)
    ws.connection.experiments.delete("a")
    assert names(ws, "a") == set()
    with pytest.raises(Conflict):
        ws.connection.runs.restore(with_it.id)
    with pytest.raises(Conflict):
        ws.experiment("a").start_logging()
    assert ws.connection.experiments.restore("a").run_count == 1
    assert names(ws, "a") == {with_it.id}


def test_the_trash_says_what_is_in_it_since_when_and_how_large(ws: Workspace) -> None:
    alone, _ = made(ws, "a", x=b"1" * 5000), made(ws, "b", y=b"2" * 7000)
    ws.connection.runs.delete(alone.id)
    deleted = ws.connection.experiments.delete("b").deleted
    experiment, run = ws.connection.trash.list().items
    assert (experiment.kind, experiment.name, experiment.runs) == ("experiment", "b", 1)
    assert experiment.deleted == deleted
    assert experiment.bytes >= 7000
    assert (run.kind, run.id, run.experiment, run.runs) == ("run", alone.id, "a", 1)
    assert 5000 <= run.bytes < 7000


def test_the_trash_is_read_in_pages(ws: Workspace) -> None:
    runs = [made(ws, "a") for _ in range(5)]
    for run in runs:
        ws.connection.runs.delete(run.id)
    found, after = [], None
    while True:
        page = ws.connection.trash.list(after=after, limit=2)
        found += [item.id for item in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(found) == sorted(run.id for run in runs)
