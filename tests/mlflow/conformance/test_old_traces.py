"""Traces of clients before MLflow 3, which say when each begins and ends."""

import json

import pytest

from tests.mlflow.conformance.target import ARTIFACTS, Json, Target, missing, ok, pairs
from tests.mlflow.conformance.test_traces import read as read_new
from tests.mlflow.conformance.test_traces import start as start_new

TRACES = "/api/2.0/mlflow/traces"


def listed(**items: str) -> list[Json]:
    return [{"key": key, "value": value} for key, value in items.items()]


def start(target: Target, experiment_id: str, **tags: str) -> Json:
    body = {
        "experiment_id": experiment_id,
        "timestamp_ms": 1000,
        "request_metadata": listed(meta1="apple", meta2="grape"),
        "tags": listed(**tags),
    }
    info: Json = ok(target.send("POST", TRACES, body))["trace_info"]
    return info


def end(target: Target, request_id: str, status: str | int = "OK") -> Json:
    body = {
        "timestamp_ms": 3000,
        "status": status,
        "request_metadata": listed(meta1="orange", meta3="banana"),
        "tags": listed(tag1="soccer", tag3="tennis"),
    }
    info: Json = ok(target.send("PATCH", f"{TRACES}/{request_id}", body))["trace_info"]
    return info


def test_a_trace_begins_and_ends(target: Target) -> None:
    experiment_id = target.experiment()
    begun = start(target, experiment_id, tag1="football", tag2="basketball")
    assert begun["experiment_id"] == experiment_id
    assert (begun["timestamp_ms"], begun.get("execution_time_ms", 0)) == (1000, 0)
    assert begun["status"] == "IN_PROGRESS"
    assert pairs(begun["request_metadata"]) == {"meta1": "apple", "meta2": "grape"}
    assert pairs(begun["tags"]).items() >= {"tag1": "football", "tag2": "basketball"}.items()
    ended = end(target, begun["request_id"])
    assert (ended["timestamp_ms"], ended["execution_time_ms"]) == (1000, 2000)
    assert ended["status"] == "OK"
    metadata = {"meta1": "orange", "meta2": "grape", "meta3": "banana"}
    assert pairs(ended["request_metadata"]) == metadata
    tags = {"tag1": "soccer", "tag2": "basketball", "tag3": "tennis"}
    assert pairs(ended["tags"]).items() >= tags.items()
    told = ok(target.get(f"{TRACES}/{begun['request_id']}/info"))["trace_info"]
    assert {**told, "tags": pairs(told["tags"])} == {**ended, "tags": pairs(ended["tags"])}


def test_new_clients_read_what_old_ones_told(target: Target) -> None:
    begun = start(target, target.experiment())
    end(target, begun["request_id"], "ERROR")
    info = read_new(target, begun["request_id"])
    assert info["state"] == "ERROR"
    assert info["execution_duration"] in ("2s", "2.000s")
    assert info["trace_metadata"]["meta2"] == "grape"


def test_old_clients_find_what_new_ones_told(target: Target) -> None:
    experiment_id = target.experiment()
    new = start_new(target, experiment_id, tags={"env": "prod"})
    start(target, experiment_id)
    found = ok(target.get(TRACES, experiment_ids=experiment_id, filter="tags.env = 'prod'"))
    (info,) = found["traces"]
    assert info["request_id"] == new["trace_id"]
    assert (info["execution_time_ms"], info["status"]) == (1250, "OK")


def test_traces_come_in_pages(target: Target) -> None:
    experiment_id = target.experiment()
    begun = [start(target, experiment_id)["request_id"] for _ in range(3)]
    asked = {"experiment_ids": experiment_id, "max_results": 2}
    first = ok(target.get(TRACES, **asked))
    second = ok(target.get(TRACES, **asked, page_token=first["next_page_token"]))
    ids = [one["request_id"] for page in (first, second) for one in page["traces"]]
    assert (sorted(ids), second.get("next_page_token", "")) == (sorted(begun), "")
    assert target.get(TRACES, **{**asked, "max_results": 501}).status == 400


def test_the_spans_are_a_file_at_the_place_that_is_told(target: Target) -> None:
    begun = start(target, target.experiment())
    place = pairs(begun["tags"])["mlflow.artifactLocation"].removeprefix("mlflow-artifacts:/")
    spans = json.dumps({"spans": []}).encode()
    assert target.put_artifact(f"{place}/traces.json", spans).status == 200
    answer = target.request("GET", f"{ARTIFACTS}/{place}/traces.json")
    assert (answer.status, answer.content) == (200, spans)


def test_an_unknown_trace_neither_ends_nor_is_read(target: Target) -> None:
    body = {"timestamp_ms": 3000, "status": "OK"}
    missing(target.send("PATCH", f"{TRACES}/{'0' * 32}", body))
    missing(target.get(f"{TRACES}/{'0' * 32}/info"))
    unknown = {"experiment_id": "99999999", "timestamp_ms": 1}
    missing(target.send("POST", TRACES, unknown), "No Experiment with id=")


@pytest.mark.parametrize("status", [2, "ERROR"])
def test_a_status_is_a_number_or_a_word(target: Target, status: str | int) -> None:
    begun = start(target, target.experiment())
    assert end(target, begun["request_id"], status)["status"] == "ERROR"


def test_a_status_that_is_none(target: Target) -> None:
    begun = start(target, target.experiment())
    body = {"timestamp_ms": 3000, "status": "SOMEHOW"}
    answer = target.send("PATCH", f"{TRACES}/{begun['request_id']}", body)
    assert answer.status == target.choose("rename-deleted", theirs=500, ours=400)
