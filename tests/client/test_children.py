"""Runs below runs, to any depth."""

import secrets
from contextlib import ExitStack

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.model import RunState


def test_children_nest_to_any_depth(either: Workspace) -> None:
    experiment = either.experiment(f"nest-{secrets.token_hex(4)}")
    with experiment.start_logging("0") as top, ExitStack() as open_runs:
        run = top
        for depth in range(1, 12):
            run = open_runs.enter_context(run.child_run(str(depth), tags={"depth": str(depth)}))
            run.log("depth", depth)
    assert [child.display_name for child in top.get_children()] == ["1"]
    below = top.get_children(recursive=True)
    assert [child.display_name for child in below] == [str(depth) for depth in range(1, 12)]
    assert {child.get_status() for child in below} == {RunState.COMPLETED}
    assert below[4].tags == {"depth": "5"}
    metrics = top.get_metrics(recursive=True)
    assert metrics == {top.id: {}, **{child.id: {"depth": n + 1} for n, child in enumerate(below)}}


def test_an_exception_fails_every_run_that_it_passes(either: Workspace) -> None:
    experiment = either.experiment(f"nest-{secrets.token_hex(4)}")
    with pytest.raises(ValueError, match="too far"), experiment.start_logging() as top:
        with top.child_run("good"):
            pass
        with top.child_run("bad") as bad, bad.child_run("worse"):
            raise ValueError("too far")
    states = {run.display_name: run.get_status() for run in top.get_children(recursive=True)}
    assert states == {
        "good": RunState.COMPLETED,
        "bad": RunState.FAILED,
        "worse": RunState.FAILED,
    }
    assert top.info().reason == "ValueError: too far"
