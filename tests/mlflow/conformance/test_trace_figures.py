"""Figures over many traces, and how two filters of them go together."""

import json
import math
from typing import Any

import pytest

from tests.http import Answer
from tests.mlflow.conformance.target import Json, Target, invalid, ok
from tests.mlflow.conformance.test_traces import TRACES, export, new_id, otlp, span, start

DAY = {"start_time_ms": 1795392000000, "end_time_ms": 1795564800000}


def query(target: Target, experiment_id: str, **fields: Any) -> Answer:
    asked = {
        "experiment_ids": [experiment_id],
        "view_type": "TRACES",
        "metric_name": "trace_count",
        "aggregations": [{"aggregation_type": "COUNT"}],
        **fields,
    }
    return target.send("POST", f"{TRACES}/metrics", asked)


def points(target: Target, experiment_id: str, **fields: Any) -> list[Json]:
    answer = ok(query(target, experiment_id, **fields))
    found: list[Json] = answer.get("data_points", [])
    return found


def by(*kinds: str, percent: float = 50) -> list[Json]:
    return [
        {"aggregation_type": kind, **({"percentile_value": percent} if "PERC" in kind else {})}
        for kind in kinds
    ]


def test_traces_are_counted_by_state(target: Target) -> None:
    experiment_id = target.experiment()
    for state in ("OK", "OK", "ERROR"):
        start(target, experiment_id, state=state)
    start(target, target.experiment())
    assert points(target, experiment_id, dimensions=["trace_status"]) == [
        {
            "metric_name": "trace_count",
            "dimensions": {"trace_status": state},
            "values": {"COUNT": count},
        }
        for state, count in (("ERROR", 1), ("OK", 2))
    ]
    (whole,) = points(target, experiment_id)
    assert (whole.get("dimensions", {}), whole["values"]) == ({}, {"COUNT": 3})


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("trace.status = 'OK'", 2),
        ("trace.tag.env = 'prod'", 1),
        ("trace.metadata.`mlflow.trace.session` = 's'", 1),
        ('trace.tag.env = "prod"', 1),
    ],
)
def test_traces_are_chosen_by_filters(target: Target, text: str, count: int) -> None:
    experiment_id = target.experiment()
    start(target, experiment_id, tags={"env": "prod"})
    start(target, experiment_id, trace_metadata={"mlflow.trace.session": "s"})
    start(target, experiment_id, state="ERROR", tags={"env": "dev"})
    (point,) = points(target, experiment_id, filters=[text])
    assert point["values"] == {"COUNT": count}
    (none,) = points(target, experiment_id, filters=[text, "trace.status = 'NEVER'"])
    assert none["values"] == {"COUNT": 0}


def test_latencies_are_summed_up_over_time(target: Target) -> None:
    experiment_id = target.experiment()
    for seconds in ("1.000s", "3.000s", "2.000s"):
        start(target, experiment_id, execution_duration=seconds)
    asked = {
        "metric_name": "latency",
        "aggregations": by("AVG", "MIN", "MAX", "PERCENTILE", percent=75),
        "time_interval_seconds": 3600,
        **DAY,
    }
    (point,) = points(target, experiment_id, **asked)
    assert point["values"] == {"AVG": 2000, "MIN": 1000, "MAX": 3000, "P75.0": 2500}
    assert point["dimensions"] == {"time_bucket": "2026-11-24T01:00:00+00:00"}
    late = {"start_time_ms": DAY["end_time_ms"], "end_time_ms": DAY["end_time_ms"] + 1}
    assert points(target, experiment_id, **{**asked, **late}) == []


def test_sessions_and_tokens_are_told_of_by_metadata(target: Target) -> None:
    experiment_id = target.experiment()
    for number in range(3):
        usage = json.dumps({"input_tokens": 10 + number, "total_tokens": 20})
        metadata = {"mlflow.trace.session": f"s{number % 2}", "mlflow.trace.tokenUsage": usage}
        start(target, experiment_id, trace_metadata=metadata)
    (sessions,) = points(target, experiment_id, metric_name="session_count")
    assert sessions["values"] == {"COUNT": 2}
    asked = {"aggregations": by("SUM", "MAX", "PERCENTILE")}
    (tokens,) = points(target, experiment_id, metric_name="input_tokens", **asked)
    assert tokens["values"] == {"SUM": 33, "MAX": 12, "P50.0": 11}


def test_spans_are_counted_and_priced(target: Target) -> None:
    experiment_id, trace = target.experiment(), new_id()
    chain = {"key": "mlflow.spanType", "value": {"stringValue": '"CHAIN"'}}
    root = span("root", attributes=[chain])
    said = {
        "mlflow.spanType": "LLM",
        "mlflow.llm.model": "small",
        "mlflow.llm.provider": "somebody",
        "mlflow.llm.cost": {"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75},
    }
    attributes = [
        {"key": key, "value": {"stringValue": json.dumps(value)}} for key, value in said.items()
    ]
    asks = [span("ask", root["spanId"], attributes=attributes) for _ in range(2)]
    assert export(target, experiment_id, otlp(trace, root, *asks)).status == 200
    spans = {"view_type": "SPANS", "metric_name": "span_count"}
    found = points(target, experiment_id, **spans, dimensions=["span_name", "span_type"])
    assert [(one["dimensions"]["span_name"], one["values"]["COUNT"]) for one in found] == [
        ("ask", 2),
        ("root", 1),
    ]
    (one,) = points(target, experiment_id, **spans, filters=["span.name = 'ask'"])
    assert one["values"] == {"COUNT": 2}
    took = {**spans, "metric_name": "latency", "aggregations": by("MAX")}
    (longest,) = points(target, experiment_id, **took)
    assert longest["values"] == {"MAX": 500}
    cost = {**spans, "metric_name": "total_cost", "aggregations": by("SUM")}
    dimensions = ["span_model_name", "span_model_provider"]
    (paid,) = points(target, experiment_id, **cost, dimensions=dimensions)
    assert paid["dimensions"] == {"span_model_name": "small", "span_model_provider": "somebody"}
    assert paid["values"] == {"SUM": 1.5}


def test_assessments_are_counted_and_averaged(target: Target) -> None:
    experiment_id = target.experiment()
    for value in (1.5, 0.5, "well"):
        trace_id = start(target, experiment_id)["trace_id"]
        assessment = {
            "assessment_name": "score",
            "source": {"source_type": "HUMAN", "source_id": "me"},
            "feedback": {"value": value},
        }
        body = {"assessment": {**assessment, "trace_id": trace_id}}
        ok(target.send("POST", f"{TRACES}/{trace_id}/assessments", body))
    view = {"view_type": "ASSESSMENTS", "metric_name": "assessment_count"}
    found = points(target, experiment_id, **view, dimensions=["assessment_value"])
    values = [one["dimensions"]["assessment_value"] for one in found]
    assert sorted(values) == ['"well"', "0.5", "1.5"]
    for text in ("assessment.name = 'score'", "assessment.type = 'feedback'"):
        (count,) = points(target, experiment_id, **view, filters=[text])
        assert count["values"] == {"COUNT": 3}
    mean = {**view, "metric_name": "assessment_value", "aggregations": by("AVG")}
    (point,) = points(target, experiment_id, **mean, dimensions=["assessment_name"])
    assert (point["dimensions"], point["values"]) == ({"assessment_name": "score"}, {"AVG": 1})


@pytest.mark.parametrize(
    "fields",
    [
        {"metric_name": "nonsense"},
        {"metric_name": "span_count"},
        {"metric_name": ""},
        {"aggregations": by("AVG")},
        {"dimensions": ["nonsense"]},
        {"filters": ["nonsense"]},
        {"filters": ["trace.nonsense = 'x'"]},
        {"filters": ["trace.tag = 'x'"]},
        {"filters": ["trace.status != 'OK'"]},
        {"filters": ["trace.status = 1"]},
        {"filters": ["trace.status = 'OK' AND trace.status = 'OK'"]},
        {"filters": ["span.name = 'x'"]},
        {"time_interval_seconds": 60},
    ],
)
def test_what_is_not_measured_is_refused(target: Target, fields: Json) -> None:
    experiment_id = target.experiment()
    start(target, experiment_id)
    invalid(query(target, experiment_id, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"aggregations": [{"aggregation_type": "PERCENTILE"}], "metric_name": "latency"},
        {"aggregations": by("PERCENTILE", percent=101), "metric_name": "latency"},
        {"aggregations": [{"aggregation_type": "COUNT", "percentile_value": 5}]},
    ],
)
def test_a_percentile_says_which(target: Target, fields: Json) -> None:
    answer = query(target, target.experiment(), **fields)
    assert answer.status == target.choose("rename-deleted", theirs=500, ours=400)


def correlate(target: Target, experiment_id: str, first: str, second: str, **more: str) -> Answer:
    body = {
        "experiment_ids": [experiment_id],
        "filter_string1": first,
        "filter_string2": second,
        **more,
    }
    return target.send("POST", f"{TRACES}/calculate-filter-correlation", body)


def test_filters_that_go_together_correlate(target: Target) -> None:
    experiment_id = target.experiment()
    for number in range(10):
        tags = {"env": "prod" if number < 6 else "dev", "tool": "yes" if number < 7 else "no"}
        start(target, experiment_id, tags=tags)
    prod, tool = "tags.env = 'prod'", "tags.tool = 'yes'"
    found = ok(correlate(target, experiment_id, prod, tool))
    counts = [found[f"{name}_count"] for name in ("total", "filter1", "filter2", "joint")]
    assert counts == [10, 6, 7, 6]
    assert math.isclose(found["npmi"], math.log(0.6 / 0.42) / -math.log(0.6))
    smoothed = math.log(6.5 * 12 / (7 * 8)) / math.log(12 / 6.5)
    assert math.isclose(found["npmi_smoothed"], smoothed)
    apart = ok(correlate(target, experiment_id, prod, "tags.tool = 'no'"))
    assert (apart.get("joint_count", 0), apart["npmi"]) == (0, -1)
    none = ok(correlate(target, experiment_id, "tags.env = 'nowhere'", tool))
    assert none.get("filter1_count", 0) == 0
    assert not none.keys() & {"npmi", "npmi_smoothed"}
    within = ok(correlate(target, experiment_id, prod, tool, base_filter=tool))
    assert (within["total_count"], within["joint_count"]) == (7, 6)


def test_a_filter_that_is_none_or_missing_is_refused(target: Target) -> None:
    experiment_id = target.experiment()
    start(target, experiment_id)
    invalid(correlate(target, experiment_id, "invalid.filter = 'x'", "tags.a = 'b'"), "Invalid")
    invalid(correlate(target, experiment_id, "", "tags.a = 'b'"), "filter_string1")
