"""Counts from kept answers are the database's, whatever has changed since."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.model import (
    EndRun,
    LogMetrics,
    MetricPoint,
    StartRun,
    UpdateRun,
)
from ml_workspace_lab.experiments.search import answers
from ml_workspace_lab.experiments.search.expression import text
from ml_workspace_lab.experiments.search.model import CountRuns, SearchRuns
from tests.experiments.search.filters import expressions
from tests.experiments.search.oracle import matches
from tests.experiments.search.population import Population

FILTERS = [
    "metrics.m > 1",
    "metrics.m > 1 AND tags.t = 'a'",
    "NOT (tags.t = 'a') OR params.p = 1",
    "tags.t IS NULL",
    "tags.t LIKE '%a%' AND max(metrics.m) >= 2",
]


@pytest.fixture(autouse=True)
def any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few runs are many."""
    monkeypatch.setattr(answers, "MANY", 0)


@given(expression=expressions())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_count_is_of_what_the_filter_means(
    full: Workspace, runs: Population, expression: object
) -> None:
    expected = sum(matches(expression, run) for run in runs.values())
    for _ in range(2):
        found = full.connection.search.count(CountRuns(text(expression)))  # type: ignore[arg-type]
        assert found.count == expected


class Changes(RuleBasedStateMachine):
    """Runs that come, change, go to the trash, come back and are purged."""

    workspace: Workspace

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.workspace.connection
        self.runs: list[str] = []

    @rule(experiment=st.sampled_from("ab"), tag=st.sampled_from("ab"))
    def start(self, experiment: str, tag: str) -> None:
        body = StartRun(kind="external", tags={"t": tag}, params={"p": len(self.runs) % 2})
        self.runs.append(self.connection.runs.start(experiment, body).run_id)

    @rule(data=st.data(), value=st.integers(0, 3))
    def log(self, data: st.DataObject, value: int) -> None:
        if run := self._one(data):
            self.connection.metrics.log(run, LogMetrics([MetricPoint("m", float(value))]))

    @rule(data=st.data(), value=st.integers(0, 3))
    def log_as_it_goes(self, data: st.DataObject, value: int) -> None:
        """Through a journal, without an event."""
        if run := self._one(data):
            self.workspace.run(run).log("m", float(value))

    @rule(data=st.data(), tag=st.sampled_from(["a", "b", "ba", None]))
    def tag(self, data: st.DataObject, tag: str | None) -> None:
        if run := self._one(data):
            body = UpdateRun(tags={"t": tag}) if tag else UpdateRun(remove_tags=["t"])
            self.connection.runs.update(run, body)

    @rule(data=st.data(), purged=st.booleans(), restored=st.booleans())
    def throw_away(self, data: st.DataObject, purged: bool, restored: bool) -> None:
        if run := self._one(data):
            self.connection.runs.end(run, EndRun())
            self.connection.runs.delete(run)
            self.runs.remove(run)
            if restored:
                self.connection.runs.restore(run)
            elif purged:
                from ml_workspace_lab.experiments.trash import Purge

                self.connection.trash.purge(Purge(run_ids=[run]))

    @rule(experiment=st.sampled_from("ab"), filter_=st.sampled_from(FILTERS))
    def count_some(self, experiment: str, filter_: str) -> None:
        names = {one.name for one in self.connection.experiments.list().items}
        if experiment in names:
            self._check(filter_, [experiment])

    @invariant()
    def counts_are_true(self) -> None:
        for filter_ in FILTERS:
            self._check(filter_, None)
            self._check(filter_, [])

    def _check(self, filter_: str, experiments: list[str] | None) -> None:
        found = self.connection.search.search(SearchRuns(filter_, experiments)).items
        assert self.connection.search.count(CountRuns(filter_, experiments)).count == len(found)

    def _one(self, data: st.DataObject) -> str | None:
        return data.draw(st.sampled_from(self.runs)) if self.runs else None


def test_answers_follow_every_change(ws: Workspace) -> None:
    class OfThisWorkspace(Changes):
        workspace = ws

    run_state_machine_as_test(
        OfThisWorkspace, settings=settings(max_examples=15, stateful_step_count=20)
    )
