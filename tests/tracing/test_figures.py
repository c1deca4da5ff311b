"""Figures over many traces, and how two filters of them go together."""

import json
import math
import statistics
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.tracing.correlation import npmi
from ml_workspace_lab.tracing.figures_model import (
    AskFigures,
    CorrelateTraces,
    Figure,
    TraceCorrelation,
)
from ml_workspace_lab.tracing.model import AddSpans, CreateAssessment
from tests.tracing.test_traces import MS, span, start


def ask(ws: Workspace, figure: str, *aggregations: str, **fields: Any) -> list[Figure]:
    asked = {"experiments": ["chat"], "of": "traces", "aggregations": list(aggregations), **fields}
    found: list[Figure] = ws.connection.traces.figures(AskFigures(figure=figure, **asked)).items
    return found


def value(ws: Workspace, figure: str, aggregation: str, **fields: Any) -> float:
    (found,) = ask(ws, figure, aggregation, **fields)
    return found.values[aggregation]


def attributes(**values: Any) -> str:
    """A span's body with attributes as MLflow sends them: JSON in text."""
    listed = [
        {"key": f"mlflow.llm.{key}", "value": {"string_value": json.dumps(value)}}
        for key, value in values.items()
    ]
    return json.dumps({"name": "s", "attributes": listed})


def test_traces_are_counted_in_parts(ws: Workspace) -> None:
    for number, (name, state) in enumerate([("a", "OK"), ("a", "ERROR"), ("b", "OK"), ("a", "OK")]):
        start(ws, f"tr-{number}", state=state, tags={"mlflow.traceName": name})
    start(ws, "tr-elsewhere", "another")
    assert value(ws, "trace_count", "count") == 4
    by = ["trace_name", "trace_status"]
    assert ask(ws, "trace_count", "count", by=by) == [
        Figure({"trace_name": "a", "trace_status": "ERROR"}, {"count": 1}),
        Figure({"trace_name": "a", "trace_status": "OK"}, {"count": 2}),
        Figure({"trace_name": "b", "trace_status": "OK"}, {"count": 1}),
    ]
    assert value(ws, "trace_count", "count", filter="name = 'a' AND status = 'OK'") == 2
    assert value(ws, "trace_count", "count", experiments=[]) == 0


def test_a_trace_without_what_parts_them_is_in_none(ws: Workspace) -> None:
    start(ws, "tr-1")
    start(ws, "tr-2", tags={"mlflow.traceName": "a"})
    assert ask(ws, "trace_count", "count", by=["trace_name"]) == [
        Figure({"trace_name": "a"}, {"count": 1})
    ]


@pytest.mark.parametrize("percent", [0, 5, 50, 99, 99.9, 100])
def test_a_percentile_lies_between_its_neighbours(ws: Workspace, percent: float) -> None:
    took = [3, 14, 15, 92, 65, 35, 89]
    for number, milliseconds in enumerate(took):
        start(ws, f"tr-{number}", duration_ms=milliseconds)
    start(ws, "tr-going")
    place = percent / 100 * (len(took) - 1)
    low, high = sorted(took)[math.floor(place)], sorted(took)[math.ceil(place)]
    expected = low + (high - low) * (place - math.floor(place))
    assert value(ws, "latency", f"p{percent}") == pytest.approx(expected)


def test_latencies_have_means_and_extremes(ws: Workspace) -> None:
    took = [3, 14, 15]
    for number, milliseconds in enumerate(took):
        start(ws, f"tr-{number}", duration_ms=milliseconds)
    words = ("sum", "avg", "min", "max", "p50")
    (found,) = ask(ws, "latency", *words)
    expected = (sum(took), statistics.mean(took), min(took), max(took), statistics.median(took))
    assert tuple(found.values[word] for word in words) == pytest.approx(expected)
    assert ask(ws, "latency", "avg", filter="name = 'nobody'") == []


def test_figures_are_put_into_spans_of_time_before_and_after_1970(ws: Workspace) -> None:
    for number, moment in enumerate((-1, 0, 59_999, 60_000)):
        start(ws, f"tr-{number}", created=moment)
    found = ask(ws, "trace_count", "count", every=60)
    assert [(one.time, one.values["count"]) for one in found] == [(-60_000, 1), (0, 2), (60_000, 1)]
    assert value(ws, "trace_count", "count", since=0, until=59_999) == 2


def test_sessions_are_counted_once(ws: Workspace) -> None:
    for number, session in enumerate(("a", "a", "b", None)):
        metadata = {"mlflow.trace.session": session} if session else {}
        start(ws, f"tr-{number}", metadata=metadata)
    assert value(ws, "session_count", "count") == 2


def test_tokens_are_summed_where_they_are_told(ws: Workspace) -> None:
    said = ['{"input_tokens": 10, "output_tokens": 5}', '{"input_tokens":7}', "no JSON", '{"a":1}']
    for number, usage in enumerate(said):
        start(ws, f"tr-{number}", metadata={"mlflow.trace.tokenUsage": usage})
    assert value(ws, "input_tokens", "sum") == 17
    assert value(ws, "output_tokens", "max") == 5
    assert ask(ws, "total_tokens", "sum") == []


def test_spans_are_counted_and_measured(ws: Workspace) -> None:
    spans = [
        span("tr-1", 1, name="root", type="CHAIN", ended=(1001 + 50) * MS),
        span("tr-1", 2, parent=1, name="ask", type="LLM", status="ERROR"),
        span("tr-1", 3, parent=1, name="ask", type="LLM", status="OK"),
    ]
    ws.connection.traces.add_spans("chat", AddSpans(spans))
    found = ask(ws, "span_count", "count", of="spans", by=["span_type", "span_status"])
    assert [(*one.by.values(), one.values["count"]) for one in found] == [
        ("CHAIN", "UNSET", 1), ("LLM", "ERROR", 1), ("LLM", "OK", 1),
    ]  # fmt: skip
    assert value(ws, "latency", "max", of="spans") == 50
    assert value(ws, "span_count", "count", of="spans", where={"name": "ask", "status": "OK"}) == 1
    assert value(ws, "span_count", "count", of="spans", until=1001) == 1


def test_costs_are_summed_by_model(ws: Workspace) -> None:
    costs = [("small", {"total_cost": 0.25}), ("small", {"total_cost": 0.5}), ("large", {"x": 1})]
    spans = [
        span("tr-1", n, body=attributes(cost=cost, model=model, provider="p"))
        for n, (model, cost) in enumerate(costs)
    ]
    ws.connection.traces.add_spans("chat", AddSpans([*spans, span("tr-1", 9)]))
    by = ["span_model_name", "span_model_provider"]
    (found,) = ask(ws, "total_cost", "sum", of="spans", by=by)
    assert found == Figure({by[0]: "small", by[1]: "p"}, {"sum": 0.75})


def test_assessments_are_counted_and_averaged(ws: Workspace) -> None:
    said = [("good", True), ("good", "no"), ("score", 0.5), ("score", 1), ("score", "well")]
    for number, (name, judged) in enumerate(said):
        start(ws, f"tr-{number}")
        one = CreateAssessment("feedback", name, {"value": judged})
        made = ws.connection.assessments.create(f"tr-{number}", one)
        if number == 0:
            again = CreateAssessment(
                "feedback", name, {"value": True}, overrides=made.assessment_id
            )
            ws.connection.assessments.create("tr-0", again)
    counted = ask(ws, "assessment_count", "count", of="assessments", by=["assessment_name"])
    assert [one.values["count"] for one in counted] == [2, 3]
    found = ask(ws, "assessment_value", "avg", of="assessments", by=["assessment_name"])
    assert [one.values["avg"] for one in found] == [0.5, 0.75]
    where = {"name": "score", "type": "feedback"}
    parted = ask(
        ws, "assessment_count", "count", of="assessments", by=["assessment_value"], where=where
    )
    assert [one.by["assessment_value"] for one in parted] == ["0.5", "1", "well"]


def test_figures_come_in_pages(ws: Workspace) -> None:
    for number in range(5):
        start(ws, f"tr-{number}", created=number * 1000)
    asked: dict[str, Any] = {
        "experiments": ["chat"], "of": "traces", "figure": "trace_count",
        "aggregations": ["count"], "every": 1,
    }  # fmt: skip
    times, after = [], None
    while True:
        page = ws.connection.traces.figures(AskFigures(**asked, limit=2, after=after))
        times += [one.time for one in page.items]
        after = page.next
        if after is None:
            break
    assert times == [0, 1000, 2000, 3000, 4000]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"figure": "nonsense"}, "figure"),
        ({"figure": "span_count"}, "figure"),
        ({"by": ["nonsense"]}, "by"),
        ({"by": ["span_name"]}, "by"),
        ({"where": {"name": "x"}}, "where"),
        ({"filter": "nonsense = 'x'"}, "filter"),
        ({"aggregations": ["avg"]}, "aggregations"),
        ({"aggregations": ["p101"]}, "aggregations"),
        ({"aggregations": []}, "aggregations"),
        ({"figure": "latency", "aggregations": ["count"]}, "aggregations"),
        ({"every": 0}, "every"),
        ({"after": "nonsense"}, "after"),
    ],
)
def test_what_is_not_measured_is_refused(ws: Workspace, fields: dict[str, Any], field: str) -> None:
    asked = {
        "experiments": ["chat"], "of": "traces", "figure": "trace_count",
        "aggregations": ["count"], **fields,
    }  # fmt: skip
    with pytest.raises(InvalidInput) as refusal:
        ws.connection.traces.figures(AskFigures(**asked))
    assert (refusal.value.field or "").partition("[")[0] == field


def correlate(ws: Workspace, first: str, second: str, base: str = "") -> TraceCorrelation:
    asked = CorrelateTraces(["chat"], first, second, base)
    found: TraceCorrelation = ws.connection.traces.correlate(asked)
    return found


def test_filters_that_go_together_correlate(ws: Workspace) -> None:
    for number in range(10):
        tags = {"env": "prod" if number < 6 else "dev", "tool": "yes" if number < 7 else "no"}
        start(ws, f"tr-{number}", tags=tags, created=number)
    found = correlate(ws, "tag.env = 'prod'", "tag.tool = 'yes'")
    assert (found.traces, found.first, found.second, found.both) == (10, 6, 7, 6)
    assert found.npmi == pytest.approx(math.log(0.6 / (0.6 * 0.7)) / -math.log(0.6))
    assert found.npmi_smoothed is not None
    assert 0 < found.npmi_smoothed < found.npmi
    apart = correlate(ws, "tag.env = 'prod'", "tag.tool = 'no'")
    assert (apart.both, apart.npmi) == (0, -1.0)
    none = correlate(ws, "tag.env = 'nowhere'", "tag.tool = 'no'")
    assert (none.first, none.npmi, none.npmi_smoothed) == (0, None, None)
    some = correlate(ws, "tag.env = 'prod'", "tag.tool = 'yes'", "timestamp_ms < 6")
    assert (some.traces, some.both, some.npmi) == (6, 6, 1.0)


def test_filters_may_be_of_different_spans(ws: Workspace) -> None:
    ws.connection.traces.add_spans("chat", AddSpans([span("tr-1", 1), span("tr-1", 2, parent=1)]))
    assert correlate(ws, "span.name = 'step 1'", "span.name = 'step 2'").both == 1


@pytest.mark.parametrize("field", ["first", "second", "filter"])
def test_a_filter_that_is_none_is_named(ws: Workspace, field: str) -> None:
    asked = {"first": "name = 'a'", "second": "name = 'b'", "filter": "", field: "nonsense = 1"}
    with pytest.raises(InvalidInput) as refusal:
        ws.connection.traces.correlate(CorrelateTraces(["chat"], **asked))
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("cells", "expected"),
    [((5, 0, 0, 0), 1.0), ((25, 25, 25, 25), 0.0), ((0, 5, 5, 0), -1.0), ((0, 0, 5, 5), None)],
)
def test_mutual_information_has_its_limits(
    cells: tuple[int, int, int, int], expected: float | None
) -> None:
    found = npmi(*cells)
    assert found == (None if expected is None else pytest.approx(expected))
