"""Batches of metrics, params and tags: all or nothing."""

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, ok, pairs

METRIC = {"key": "m", "value": 2.5, "timestamp": 1}


def test_a_batch_of_all_three_kinds_is_kept(target: Target) -> None:
    run_id = target.run()
    metrics = [
        {"key": "m", "value": 123.456, "timestamp": 789, "step": 3},
        {"key": "m", "value": "NaN", "timestamp": "790", "step": "4"},
        {"key": "other", "value": "2.5", "timestamp": 1},
    ]
    params = [{"key": "p", "value": "v"}, {"key": "empty", "value": ""}]
    tags = [{"key": "t", "value": "v"}, {"key": "empty", "value": ""}]
    ok(target.post("runs/log-batch", run_id=run_id, metrics=metrics, params=params, tags=tags))
    data = target.read(run_id)["data"]
    assert {m["key"]: m["value"] for m in data["metrics"]} == {"m": "NaN", "other": 2.5}
    assert pairs(data["params"]) == {"p": "v", "empty": ""}
    assert pairs(data["tags"]).items() >= {"t": "v", "empty": ""}.items()


def test_an_empty_batch_is_taken(target: Target) -> None:
    ok(target.post("runs/log-batch", run_id=target.run()))


def test_the_last_of_two_equal_tags_counts_and_a_name_is_mirrored(target: Target) -> None:
    run_id = target.run()
    tags = [
        {"key": "t", "value": "1"},
        {"key": "t", "value": "2"},
        {"key": "mlflow.runName", "value": "from a batch"},
    ]
    ok(target.post("runs/log-batch", run_id=run_id, tags=tags))
    run = target.read(run_id)
    assert pairs(run["data"]["tags"])["t"] == "2"
    assert run["info"]["run_name"] == "from a batch"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run_id": None}, "Missing value for required parameter 'run_id'"),
        ({"run_id": "../x"}, "Invalid value \"../x\" for parameter 'run_id' supplied"),
        ({"metrics": "foo"}, "Invalid value \"foo\" for parameter 'metrics' supplied"),
        ({"params": "foo"}, "Invalid value \"foo\" for parameter 'params' supplied"),
        ({"tags": "foo"}, "Invalid value \"foo\" for parameter 'tags' supplied"),
        (
            {"metrics": [{"key": "mae", "value": 2.5}]},
            "Missing value for required parameter 'metrics[0].timestamp'",
        ),
        (
            {"metrics": [METRIC, {"value": 2.5, "timestamp": 1}]},
            "Missing value for required parameter 'metrics[1].key'",
        ),
        (
            {"metrics": [{"key": "m", "timestamp": 1}]},
            "Missing value for required parameter 'metrics[0].value'",
        ),
        ({"params": [{"value": "v"}]}, "Missing value for required parameter 'params[0].key'"),
        ({"tags": [{"value": "v"}]}, "Missing value for required parameter 'tags[0].key'"),
        ({"metrics": [{**METRIC, "key": "?"}]}, "for parameter 'metrics[0].name' supplied"),
        (
            {"metrics": [METRIC, {**METRIC, "timestamp": -5}]},
            "Invalid value -5 for parameter 'metrics[1].timestamp' supplied",
        ),
        ({"params": [{"key": "?", "value": ""}]}, "for parameter 'params[0].key' supplied"),
        ({"tags": [{"key": "?", "value": ""}]}, "for parameter 'tags[0].key' supplied"),
        ({"metrics": [METRIC] * 1001}, "can contain at most 1000 metrics. Got 1001 metrics"),
        (
            {"params": [{"key": f"p{i}", "value": ""} for i in range(101)]},
            "can contain at most 100 params. Got 101 params",
        ),
        (
            {"tags": [{"key": f"t{i}", "value": ""} for i in range(101)]},
            "can contain at most 100 tags. Got 101 tags",
        ),
        (
            {"metrics": [METRIC] * 950, "tags": [{"key": f"{i}", "value": ""} for i in range(51)]},
            "can contain at most 1000 metrics, params, and tags",
        ),
        (
            {"params": [{"key": "p", "value": "1"}, {"key": "p", "value": "2"}]},
            "Duplicate parameter keys have been submitted: ['p']",
        ),
    ],
)
def test_a_wrong_batch_is_refused(target: Target, fields: Json, words: str) -> None:
    run_id = target.run()
    invalid(target.post("runs/log-batch", **{"run_id": run_id, **fields}), words)
    data = target.read(run_id)["data"]
    assert data.get("metrics", []) == []
    assert data.get("params", []) == []


def test_a_param_with_another_value_refuses_the_whole_batch(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/log-parameter", run_id=run_id, key="p", value="1"))
    answer = target.post(
        "runs/log-batch",
        run_id=run_id,
        metrics=[METRIC],
        params=[{"key": "new", "value": "1"}, {"key": "p", "value": "2"}],
        tags=[{"key": "t", "value": "v"}],
    )
    invalid(answer, "Changing param values is not allowed")
    data = target.read(run_id)["data"]
    assert pairs(data["params"]) == {"p": "1"}
    assert data.get("metrics", []) == []
    assert "t" not in pairs(data["tags"])
    same = [{"key": "p", "value": "1"}, {"key": "new", "value": "1"}]
    ok(target.post("runs/log-batch", run_id=run_id, params=same))
    assert pairs(target.read(run_id)["data"]["params"]) == {"p": "1", "new": "1"}


def test_a_full_batch_is_kept_whole(target: Target) -> None:
    run_id = target.run()
    metrics = [{"key": f"m{i % 10}", "value": i, "timestamp": i, "step": i} for i in range(1000)]
    ok(target.post("runs/log-batch", run_id=run_id, metrics=metrics))
    found = target.read(run_id)["data"]["metrics"]
    assert {m["key"]: m["value"] for m in found} == {f"m{i}": 990.0 + i for i in range(10)}


def test_a_batch_with_a_large_step_is_read_back(target: Target) -> None:
    run_id = target.run()
    metrics = [{"key": "m", "value": 1, "timestamp": 2**40, "step": 2**40}]
    ok(target.post("runs/log-batch", run_id=run_id, metrics=metrics))
    assert target.read(run_id)["data"]["metrics"][0]["step"] == 2**40
