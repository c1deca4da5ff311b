"""Metrics: values, the latest one, histories in pages, in bulk and sampled."""

from typing import Any

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, ok

HISTORY = "metrics/get-history"
BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
INTERVAL = "metrics/get-history-bulk-interval"
UNKNOWN = "0123456789abcdef0123456789abcdef"


def latest(target: Target, run_id: str) -> dict[str, Json]:
    return {metric["key"]: metric for metric in target.read(run_id)["data"].get("metrics", [])}


def history(target: Target, run_id: str, key: str, **query: Any) -> list[tuple[Any, int, int]]:
    found = ok(target.get(HISTORY, run_id=run_id, metric_key=key, **query))
    return [(m["value"], m["timestamp"], m.get("step", 0)) for m in found.get("metrics", [])]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (123.456, 123.456),
        (7, 7.0),
        ("1e-3", 0.001),
        (-0.1, -0.1),
        ("NaN", "NaN"),
        ("Infinity", 1.7976931348623157e308),
        ("-Infinity", -1.7976931348623157e308),
        (5e-324, 5e-324),
        (2**53 + 1, float(2**53)),
    ],
)
def test_a_logged_value_is_read_back(target: Target, value: Any, expected: Any) -> None:
    run_id = target.run()
    target.log(run_id, "m", value, step=2, timestamp=789)
    assert latest(target, run_id)["m"] == {
        "key": "m",
        "value": expected,
        "timestamp": 789,
        "step": 2,
    }
    assert history(target, run_id, "m") == [(expected, 789, 2)]


def test_64_bit_numbers_may_be_text_and_are_answered_as_numbers(target: Target) -> None:
    run_id = target.run()
    fields = {"key": "m", "value": 1.0, "timestamp": str(2**62), "step": str(-(2**62))}
    ok(target.post("runs/log-metric", run_id=run_id, **fields))
    assert history(target, run_id, "m") == [(1.0, 2**62, -(2**62))]
    fields = {"key": "edge", "value": 1.0, "timestamp": 2**63 - 1, "step": -(2**63)}
    ok(target.post("runs/log-metric", run_id=run_id, **fields))
    assert history(target, run_id, "edge") == [(1.0, 2**63 - 1, -(2**63))]


def test_a_step_may_be_left_out(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/log-metric", run_id=run_id, key="m", value=1, timestamp=321))
    assert history(target, run_id, "m") == [(1.0, 321, 0)]
    ok(target.post("runs/log-metric", run_uuid=run_id, key="old", value=1, timestamp=321))
    assert history(target, run_id, "old") == [(1.0, 321, 0)]


def test_the_latest_value_has_the_greatest_step_then_time_then_value(target: Target) -> None:
    run_id = target.run()
    for value, step, timestamp in [(1, 5, 10), (9, 4, 99), (3, 5, 11), (2, 5, 11), (8, -1, 99)]:
        target.log(run_id, "m", value, step, timestamp)
    assert latest(target, run_id)["m"]["value"] == 3.0


def test_a_point_logged_twice_is_kept_once(target: Target) -> None:
    run_id = target.run()
    for _ in range(2):
        target.log(run_id, "m", 1.5, 1, 10)
        target.log(run_id, "nan", "NaN", 1, 10)
    assert history(target, run_id, "m") == [(1.5, 10, 1)]
    assert history(target, run_id, "nan") == [("NaN", 10, 1)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run_id": 31}, "Invalid value 31 for parameter 'run_id' supplied"),
        ({"run_id": None}, "Missing value for required parameter 'run_id'"),
        ({"key": 31}, "Invalid value 31 for parameter 'key' supplied"),
        ({"key": None}, "Missing value for required parameter 'key'"),
        ({"key": ""}, "Missing value for required parameter 'key'"),
        ({"key": "k?"}, "Names may only contain alphanumerics"),
        ({"key": "../k"}, "Names may be treated as files"),
        ({"key": "k" * 251}, "exceeds the maximum length of 250 characters"),
        ({"value": None}, "Missing value for required parameter 'value'"),
        ({"value": "foo"}, "Invalid value \"foo\" for parameter 'value' supplied"),
        ({"timestamp": "foo"}, "Invalid value \"foo\" for parameter 'timestamp' supplied"),
        ({"timestamp": -1}, "Timestamp must be a nonnegative long"),
        ({"step": "foo"}, "Invalid value \"foo\" for parameter 'step' supplied"),
    ],
)
def test_a_wrong_field_of_a_metric_is_named(target: Target, fields: Json, words: str) -> None:
    body = {"run_id": target.run(), "key": "m", "value": 1, "timestamp": 59, "step": 26}
    invalid(target.post("runs/log-metric", **{**body, **fields}), words)


def test_a_history_comes_by_time_step_and_value(target: Target) -> None:
    run_id = target.run()
    points = [(12.0, 2, 3), (10.0, 1, 2), (12.0, 1, 3), (11.0, 1, 3), (-1.0, 0, 9)]
    for value, timestamp, step in points:
        target.log(run_id, "m", value, step, timestamp)
    expected = sorted(points, key=lambda point: (point[1], point[2], point[0]))
    assert history(target, run_id, "m") == expected
    assert history(target, run_id, "nothing") == []


def test_a_history_comes_in_pages(target: Target) -> None:
    run_id = target.run()
    metrics = [{"key": "m", "value": i, "timestamp": i, "step": i} for i in range(25)]
    ok(target.post("runs/log-batch", run_id=run_id, metrics=metrics))
    query: Json = {"run_id": run_id, "metric_key": "m", "max_results": 10}
    sizes, values, token = [], [], ""
    while token is not None:
        page = ok(target.get(HISTORY, **query, **({"page_token": token} if token else {})))
        sizes.append(len(page["metrics"]))
        values += [metric["value"] for metric in page["metrics"]]
        token = page.get("next_page_token")
    assert sizes == [10, 10, 5]
    assert values == [float(i) for i in range(25)]
    assert len(history(target, run_id, "m")) == 25


def test_a_history_is_asked_for_rightly(target: Target) -> None:
    run_id = target.run()
    unknown = target.get(HISTORY, run_id=UNKNOWN, metric_key="m")
    assert unknown.status == target.choose("history-run", theirs=200, ours=404)
    invalid(target.get(HISTORY, run_id=run_id), "Missing value for required parameter 'metric_")
    invalid(target.get(HISTORY, metric_key="m"), "Missing value for required parameter 'run_id'")
    query = {"run_id": run_id, "metric_key": "m"}
    invalid(target.get(HISTORY, **query, max_results=0), "'max_results'", "positive integer")
    invalid(target.get(HISTORY, **query, max_results=-1), "'max_results'")
    invalid(target.get(HISTORY, **query, page_token="no token"))


def test_histories_of_several_runs_come_at_once(target: Target) -> None:
    experiment_id = target.experiment()
    runs = [target.run(experiment_id) for _ in range(3)]
    for i, run_id in enumerate(runs[:2]):
        for step in range(3):
            target.log(run_id, "m", i * 10 + step, step, timestamp=step)
    found = ok(target.get(BULK, run_id=runs, metric_key="m"))["metrics"]
    expected = [
        {"key": "m", "value": float(i * 10 + step), "timestamp": step, "step": step, "run_id": run}
        for i, run in enumerate(runs[:2])
        for step in range(3)
    ]
    assert sorted(found, key=lambda m: m["value"]) == expected
    assert [metric["run_id"] for metric in found] == sorted(m["run_id"] for m in found)
    assert len(ok(target.get(BULK, run_id=runs, metric_key="m", max_results=2))["metrics"]) == 2


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"metric_key": "m"}, "GetMetricHistoryBulk request must specify at least one run_id"),
        ({"run_id": ["1"]}, "GetMetricHistoryBulk request must specify a metric_key"),
        (
            {"run_id": [f"r{i}" for i in range(101)], "metric_key": "m"},
            "GetMetricHistoryBulk request cannot specify more than 100 run_ids",
        ),
    ],
)
def test_histories_in_bulk_are_asked_for_rightly(target: Target, query: Json, words: str) -> None:
    invalid(target.get(BULK, **query), words)


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_a_sampled_history_keeps_both_ends_and_the_limit(target: Target, prefix: str) -> None:
    run_id = target.run()
    metrics = [{"key": "m", "value": i % 7, "timestamp": i, "step": i} for i in range(100)]
    ok(target.post("runs/log-batch", run_id=run_id, metrics=metrics))
    path = f"{prefix}/2.0/mlflow/{INTERVAL}"
    found = ok(target.get(path, run_ids=[run_id], metric_key="m", max_results=10))["metrics"]
    steps = [metric.get("step", 0) for metric in found]
    assert (steps[0], steps[-1]) == (0, 99)
    assert len(steps) <= 10
    assert steps == sorted(set(steps))
    assert {metric["run_id"] for metric in found} == {run_id}
    assert all(metric["value"] == metric.get("step", 0) % 7 for metric in found)


def test_of_a_flat_history_the_first_of_each_stretch_is_shown(target: Target) -> None:
    run_id = target.run()
    metrics = [{"key": "m", "value": 10, "timestamp": 1, "step": i} for i in range(10)]
    ok(target.post("runs/log-batch", run_id=run_id, metrics=metrics))
    found = ok(target.get(INTERVAL, run_ids=[run_id], metric_key="m", max_results=5))["metrics"]
    assert [point.get("step", 0) for point in found] == [0, 2, 4, 6, 9]


def test_a_sampled_history_of_few_points_is_whole(target: Target) -> None:
    runs = [target.run(), target.run()]
    for run_id in runs:
        for step in range(5):
            target.log(run_id, "m", step, step)
    found = ok(target.get(INTERVAL, run_ids=runs, metric_key="m", max_results=20))["metrics"]
    assert [(m["run_id"], m.get("step", 0)) for m in found] == [
        (run_id, step) for run_id in runs for step in range(5)
    ]
    query = {"run_ids": runs[:1], "metric_key": "m", "start_step": 1, "end_step": 3}
    assert [m["step"] for m in ok(target.get(INTERVAL, **query))["metrics"]] == [1, 2, 3]
    assert ok(target.get(INTERVAL, run_ids=runs, metric_key="none")).get("metrics", []) == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"metric_key": "m"}, "Missing value for required parameter 'run_ids'"),
        ({"run_ids": ["1"]}, "Missing value for required parameter 'metric_key'"),
        ({"run_ids": ["1"], "metric_key": ""}, "Missing value for required parameter 'metric_key'"),
        (
            {"run_ids": [f"r{i}" for i in range(101)], "metric_key": "m"},
            "GetMetricHistoryBulkInterval request must specify at most 100 run_ids",
        ),
        (
            {"run_ids": ["1"], "metric_key": "m", "max_results": 0},
            "max_results must be between 1 and 2500",
        ),
        (
            {"run_ids": ["1"], "metric_key": "m", "max_results": 2501},
            "max_results must be between 1 and 2500",
        ),
        (
            {"run_ids": ["1"], "metric_key": "m", "start_step": 1, "end_step": 0},
            "end_step must be greater than start_step",
        ),
        (
            {"run_ids": ["1"], "metric_key": "m", "start_step": 1},
            "If either start step or end step are specified, both must be specified",
        ),
    ],
)
def test_a_sampled_history_is_asked_for_rightly(target: Target, query: Json, words: str) -> None:
    invalid(target.get(INTERVAL, **query), words)


def test_a_sampled_history_shows_a_spike(target: Target) -> None:
    run_id = target.run()
    metrics = [{"key": "m", "value": 0, "timestamp": i, "step": i} for i in range(1000)]
    metrics[567]["value"] = 1000
    ok(target.post("runs/log-batch", run_id=run_id, metrics=metrics))
    found = ok(target.get(INTERVAL, run_ids=[run_id], metric_key="m", max_results=20))["metrics"]
    spike = max(metric["value"] for metric in found)
    assert spike == target.choose("sampled-spike", theirs=0.0, ours=1000.0)
