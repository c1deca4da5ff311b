"""The store beside a dictionary: whatever is done to both, both say the same."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.client.open_runs import OPEN_RUNS
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.model import LogMetrics, MetricPoint, MetricSummary
from tests.conftest import eventually

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8
) | st.sampled_from(["loss", "Loss", "é", "e\u0301", "a'b", 'a"b', "%s", ":name", "😀", "x" * 300])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
LONG = st.integers(8000, 9000).map("y".__mul__)
VALUES = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | LONG


@dataclass
class Known:
    """What a run must say."""

    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    state: str = "Running"
    deleted: bool = False

    def add(self, name: str, step: int, value: float) -> None:
        self.metrics.setdefault(name, []).append((step, value))


def points(series: list[tuple[int, float]]) -> list[tuple[int, str]]:
    """As they can be compared: NaN is not equal to itself, and 0.0 is to -0.0."""
    return sorted((step, repr(value)) for step, value in series)


def shown(value: Any) -> Any:
    """A parameter as the store tells it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


class StoreModel(RuleBasedStateMachine):
    """Runs of one experiment, through the objects that users hold."""

    runs = Bundle("runs")

    def __init__(self, root: str) -> None:
        super().__init__()
        self.root = root
        self.ws = Workspace.open(root)
        self.known: dict[str, Known] = {}
        self.experiment = f"e{self.ws.connection.events.list().next}"

    @rule(target=runs)
    def start(self) -> Run:
        run = self.ws.experiment(self.experiment).start_logging()
        self.known[run.id] = Known()
        return run

    @rule(run=runs, name=NAMES, value=VALUES, step=INT64)
    def log(self, run: Run, name: str, value: float, step: int) -> None:
        known = self.known[run.id]
        if known.state == "Running" and not known.deleted:
            run.log(name, value, step)
            known.add(name, step, value)
        else:
            with pytest.raises(Conflict):
                run.log(name, value, step)

    @rule(run=runs, name=NAMES, count=st.integers(1, 900), value=VALUES)
    def log_many(self, run: Run, name: str, count: int, value: float) -> None:
        if self.known[run.id].state == "Running":
            for step in range(count):
                run.log(name, value, step)
                self.known[run.id].add(name, step, value)

    @rule(run=runs, given=st.lists(st.tuples(NAMES, VALUES, INT64), max_size=5))
    def log_at_once(self, run: Run, given: list[tuple[str, float, int]]) -> None:
        known = self.known[run.id]
        if known.state != "Running":
            return
        found = [MetricPoint(name, _wire(value), step) for name, value, step in given]
        self.ws.connection.metrics.log(run.id, LogMetrics(found))
        for name, value, step in given:
            known.add(name, step, value)

    @rule(run=runs, params=st.dictionaries(NAMES, SCALARS, max_size=4))
    def log_params(self, run: Run, params: dict[str, Any]) -> None:
        if self.changeable(run):
            run.log_params(params)
            known = self.known[run.id].params
            known |= {name: shown(value) for name, value in params.items()}

    @rule(run=runs, tags=st.dictionaries(NAMES, TEXTS | LONG, max_size=4))
    def set_tags(self, run: Run, tags: dict[str, str]) -> None:
        if self.changeable(run):
            run.set_tags(tags)
            self.known[run.id].tags |= tags

    @rule(run=runs, names=st.lists(NAMES, max_size=3))
    def remove_tags(self, run: Run, names: list[str]) -> None:
        if self.changeable(run):
            tags = self.known[run.id].tags
            names = [*names, *list(tags)[:1]]
            run.remove_tags(names)
            for name in names:
                tags.pop(name, None)

    @rule(run=runs, name=NAMES, value=TEXTS | LONG)
    def add_property(self, run: Run, name: str, value: str) -> None:
        if self.changeable(run):
            properties = self.known[run.id].properties
            if properties.get(name, value) != value:
                with pytest.raises(Conflict):
                    run.add_properties({name: value})
            else:
                run.add_properties({name: value})
                properties[name] = value

    @rule(run=runs, name=NAMES, before=TEXTS, after=TEXTS)
    def refuse_nul(self, run: Run, name: str, before: str, after: str) -> None:
        if self.changeable(run):
            for keep in (run.log_params, run.set_tags, run.add_properties):
                with pytest.raises(InvalidInput, match="NUL"):
                    keep({name: f"{before}\0{after}"})

    @rule(run=runs, fails=st.booleans())
    def end(self, run: Run, fails: bool) -> None:
        known = self.known[run.id]
        if known.state != "Running":
            with pytest.raises(Conflict):
                run.complete()
            return
        run.fail("be\0cause") if fails else run.complete()
        known.state = "Failed" if fails else "Completed"

    @rule(run=runs)
    def delete(self, run: Run) -> None:
        known = self.known[run.id]
        if known.state == "Running" or known.deleted:
            return
        self.ws.connection.runs.delete(run.id)
        known.deleted = True

    @rule(run=runs)
    def restore(self, run: Run) -> None:
        if self.known[run.id].deleted:
            self.ws.connection.runs.restore(run.id)
            self.known[run.id].deleted = False

    @rule(run=consumes(runs))
    @precondition(lambda self: self.known)
    def lose(self, run: Run) -> None:
        """The process dies as far as the workspace can tell: its lock goes, its journals stay."""
        if self.known[run.id].state == "Running":
            run._let_go()
            # The background process may be closing it at this moment.
            eventually(lambda: run.get_status() == "Failed")
            self.known[run.id].state = "Failed"

    @rule()
    def reopen(self) -> None:
        self.ws.close()
        self.ws = Workspace.open(self.root)

    @rule(run=runs)
    def compare(self, run: Run) -> None:
        self.check(run.id)

    @invariant()
    def lists_what_is_there(self) -> None:
        found = self.ws.runs(experiment=self.experiment, limit=None) if self.known else []
        there = [run for run, known in self.known.items() if not known.deleted]
        assert {one.id: str(one.listed.state) for one in found} == {
            run: self.known[run].state for run in there
        }
        assert [one.number for one in found] == sorted((o.number for o in found), reverse=True)
        if self.known:
            assert self.ws.experiments[self.experiment].info().run_count == len(there)

    def changeable(self, run: Run) -> bool:
        return not self.known[run.id].deleted

    def check(self, run_id: str) -> None:
        known = self.known[run_id]
        info = self.ws.connection.runs.get(run_id)
        assert info.params == known.params
        assert {name: type(value) for name, value in info.params.items()} == {
            name: type(value) for name, value in known.params.items()
        }
        assert (info.tags, info.properties) == (known.tags, known.properties)
        assert (info.state, info.deleted is not None) == (known.state, known.deleted)
        series = self.ws.connection.metrics.get(run_id).items
        assert {
            one.name: points(list(zip(one.steps, map(float, one.values), strict=True)))
            for one in series
        } == {name: points(logged) for name, logged in known.metrics.items()}
        assert info.metrics.keys() == known.metrics.keys()
        for name, logged in known.metrics.items():
            check_summary(info.metrics[name], logged)

    def teardown(self) -> None:
        ws = Workspace.open(self.root)
        for run_id in self.known:
            self.check(run_id)
        for run in list(OPEN_RUNS):
            if run.id in self.known:
                run.complete()
        with pytest.raises(NotFound):
            ws.run("0" * 32)
        ws.close()
        self.ws.close()


def _wire(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def check_summary(summary: MetricSummary, logged: list[tuple[int, float]]) -> None:
    numbers = [value for _, value in logged if not math.isnan(value)]
    assert summary.count == len(logged)
    assert summary.last_step == max(step for step, _ in logged)
    candidates = {repr(value) for step, value in logged if step == summary.last_step}
    assert repr(float(summary.last)) in candidates
    if numbers:
        assert summary.min is not None
        assert summary.max is not None
        assert (float(summary.min), float(summary.max)) == (min(numbers), max(numbers))
        assert any(step == summary.min_step and value == min(numbers) for step, value in logged)
    else:
        assert (summary.min, summary.max) == (None, None)


def test_the_store_says_what_a_dictionary_would(ws: Workspace) -> None:
    run_state_machine_as_test(
        lambda: StoreModel(ws.location),
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
