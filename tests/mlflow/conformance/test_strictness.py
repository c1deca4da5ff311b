"""What MLflow takes and loses, our server refuses or keeps whole."""

import json

import pytest

from tests.mlflow.conformance.target import Target, ok, pairs


def metric(run_id: str, value: str, timestamp: str = "1", step: str = "0") -> str:
    return (
        f'{{"run_id": "{run_id}", "key": "m", "value": {value},'
        f' "timestamp": {timestamp}, "step": {step}}}'
    )


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_a_number_that_json_does_not_know_is_refused(target: Target, value: str) -> None:
    run_id = target.run()
    answer = target.raw("runs/log-metric", metric(run_id, value))
    kept = [m["value"] for m in target.read(run_id)["data"].get("metrics", [])]
    expected = target.choose("json-numbers", theirs=(200, [0.0]), ours=(400, []))
    assert (answer.status, kept) == expected


@pytest.mark.parametrize(("timestamp", "step"), [(str(2**63), "0"), ("1", str(2**63))])
def test_a_number_beyond_64_bits_is_refused(target: Target, timestamp: str, step: str) -> None:
    run_id = target.run()
    answer = target.raw("runs/log-metric", metric(run_id, "1", timestamp, step))
    assert answer.status == target.choose("int64", theirs=200, ours=400)


def test_a_lone_surrogate_is_refused(target: Target) -> None:
    run_id = target.run()
    answer = target.raw(
        "runs/set-tag", json.dumps({"run_id": run_id, "key": "k", "value": "a\ud800b"})
    )
    kept = pairs(target.read(run_id)["data"]["tags"]).get("k")
    expected = target.choose("surrogate", theirs=(200, ""), ours=(400, None))
    assert (answer.status, kept) == expected


@pytest.mark.parametrize("name", ["   ", "a\0b"])
def test_a_name_that_nobody_can_read_is_refused(target: Target, name: str) -> None:
    answer = target.post("experiments/create", name=name)
    assert answer.status == target.choose("blank-name", theirs=200, ours=400)


def test_a_name_is_one_line_of_255_characters_at_most(target: Target) -> None:
    answers = [
        target.post("experiments/create", name=target.name("x" * 300)),
        target.post("runs/create", experiment_id="0", run_name="two\nlines"),
    ]
    expected = target.choose("names", theirs=200, ours=400)
    assert [answer.status for answer in answers] == [expected] * 2


def test_a_key_given_twice_is_refused(target: Target) -> None:
    one, two = target.run(), target.run()
    body = f'{{"run_id": "{one}", "run_id": "{two}", "key": "k", "value": "v"}}'
    answer = target.raw("runs/set-tag", body)
    assert answer.status == target.choose("duplicate-key", theirs=200, ours=400)


def test_a_file_name_that_no_folder_takes_is_the_callers_mistake(target: Target) -> None:
    path = target.start()["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    answer = target.put_artifact(f"{path}/{'x' * 300}", b"1")
    assert answer.status == target.choose("long-file-name", theirs=500, ours=400)


def test_a_large_header_is_taken(target: Target) -> None:
    answer = target.request("GET", "/health", headers={"X-Large": "x" * 100_000})
    assert answer.status == 200


def test_infinity_is_shown_as_the_largest_number(target: Target) -> None:
    run_id = target.run()
    target.log(run_id, "m", "Infinity")
    assert ok(target.get("runs/get", run_id=run_id))["run"]["data"]["metrics"][0]["value"] == (
        1.7976931348623157e308
    )
