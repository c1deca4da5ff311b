"""What the server says of itself, its twin paths, and bodies that are no requests."""

import json

import pytest

from tests.mlflow.conformance.target import Target, invalid, ok


def test_the_server_answers_for_its_health(target: Target) -> None:
    answer = target.get("/health")
    assert (answer.status, answer.content) == (200, b"OK")


def test_the_version_is_one_that_clients_know(target: Target) -> None:
    answer = target.get("/version")
    assert answer.status == 200
    major, minor, *_ = answer.content.decode().split(".")
    assert (int(major), int(minor)) >= (3, 4)


def test_the_server_says_what_it_offers(target: Target) -> None:
    info = ok(target.get("/api/3.0/mlflow/server-info"))
    assert info["store_type"] == "SqlStore"
    assert info["workspaces_enabled"] is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "experiments/create"),
        ("GET", "experiments/get"),
        ("GET", "experiments/get-by-name"),
        ("POST", "experiments/search"),
        ("POST", "experiments/update"),
        ("POST", "experiments/delete"),
        ("POST", "experiments/restore"),
        ("POST", "experiments/set-experiment-tag"),
        ("POST", "experiments/delete-experiment-tag"),
        ("GET", "runs/get"),
        ("POST", "runs/update"),
        ("POST", "runs/delete"),
        ("POST", "runs/restore"),
        ("POST", "runs/log-metric"),
        ("POST", "runs/log-batch"),
        ("POST", "runs/log-parameter"),
        ("POST", "runs/set-tag"),
        ("POST", "runs/delete-tag"),
        ("POST", "runs/log-inputs"),
        ("POST", "runs/outputs"),
        ("POST", "runs/log-model"),
        ("GET", "metrics/get-history"),
        ("GET", "metrics/get-history-bulk-interval"),
        ("GET", "artifacts/list"),
        ("POST", "logged-models"),
    ],
)
def test_each_call_answers_under_both_paths(target: Target, method: str, path: str) -> None:
    for prefix in ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow"):
        body = "{}" if method == "POST" else None
        headers = {"Content-Type": "application/json"}
        answer = target.request(method, f"{prefix}/{path}", body, headers)
        if path in ("runs/log-batch", "experiments/search"):
            invalid(answer)
        else:
            invalid(answer, "Missing value for required parameter")


def test_an_unknown_path_is_not_found(target: Target) -> None:
    assert target.post("runs/explode").status == 404
    assert target.get("/api/2.0/nothing").status == 404


def test_unknown_fields_are_passed_over(target: Target) -> None:
    ok(target.post("experiments/create", name=target.name(), future={"a": [1]}))


@pytest.mark.parametrize("body", ["", "not json", "[1"])
def test_a_body_that_is_no_json_lacks_its_fields(target: Target, body: str) -> None:
    answer = target.raw("experiments/create", body)
    invalid(answer)


def test_a_content_type_other_than_json_is_refused(target: Target) -> None:
    body = json.dumps({"name": target.name()})
    answer = target.request("POST", "experiments/create", body, {"Content-Type": "text/plain"})
    assert answer.status == 400


def test_a_root_that_is_no_object_is_the_callers_mistake(target: Target) -> None:
    answer = target.raw("experiments/create", "[]")
    assert answer.status == target.choose("root-array", theirs=500, ours=400)
    answer = target.raw("experiments/create", '{"a":' * 100_000 + "1" + "}" * 100_000)
    assert answer.status == target.choose("deep-json", theirs=500, ours=400)
