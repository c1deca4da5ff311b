"""Scorers, their versions, and what is scored as it comes."""

import json
import uuid
from typing import Any

from tests.http import Answer
from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok

SCORERS = "/api/3.0/mlflow/scorers"
CONTENT = json.dumps({"name": "s", "original_func_name": "f"})


def register(target: Target, experiment_id: str, name: str = "s", content: str = CONTENT) -> Answer:
    return target.post(
        f"{SCORERS}/register", experiment_id=experiment_id, name=name, serialized_scorer=content
    )


def judge(model: Any) -> str:
    return json.dumps({"instructions_judge_pydantic_data": {"model": model}})


def listed(target: Target, call: str = "list", **query: Any) -> list[tuple[str, int]]:
    found = ok(target.get(f"{SCORERS}/{call}", **query)).get("scorers", [])
    return [(one["scorer_name"], one["scorer_version"]) for one in found]


def online(target: Target, experiment_id: str, **fields: Any) -> Answer:
    body = {"experiment_id": experiment_id, "name": "s", **fields}
    return target.send("PUT", f"{SCORERS}/online-config", body)


def test_a_scorer_is_registered_in_versions(target: Target) -> None:
    experiment_id = target.experiment()
    first = ok(register(target, experiment_id))
    assert (first["version"], first["name"]) == (1, "s")
    assert (first["experiment_id"], first["serialized_scorer"]) == (experiment_id, CONTENT)
    second = ok(register(target, experiment_id, content=judge("openai:/gpt")))
    assert (second["version"], second["scorer_id"]) == (2, first["scorer_id"])
    ok(register(target, experiment_id, "A judge"))
    query = {"experiment_id": experiment_id, "name": "s"}
    assert listed(target, experiment_id=experiment_id) == [("A judge", 1), ("s", 2)]
    assert listed(target, "versions", **query) == [("s", 1), ("s", 2)]
    for version, content in {None: judge("openai:/gpt"), 1: CONTENT}.items():
        more = {} if version is None else {"version": version}
        for path in (SCORERS, SCORERS.replace("/api", "/ajax-api")):
            found = ok(target.get(f"{path}/get", **query, **more))["scorer"]
            assert found["serialized_scorer"] == content
            assert (found["experiment_id"], found["scorer_name"]) == (int(experiment_id), "s")
            assert found["scorer_id"] == first["scorer_id"]
    for version in (0, 77):
        missing(target.get(f"{SCORERS}/get", **query, version=version), f"version {version}")
    invalid(target.get(f"{SCORERS}/get", **query, version="x"), "version")


def test_versions_and_scorers_are_deleted(target: Target) -> None:
    experiment_id = target.experiment()
    query = {"experiment_id": experiment_id, "name": "s"}
    for _ in range(3):
        ok(register(target, experiment_id))
    missing(target.delete(f"{SCORERS}/delete", **query, version=77), "version 77")
    assert ok(target.delete(f"{SCORERS}/delete", **query, version=1)) == {}
    assert listed(target, "versions", **query) == [("s", 2), ("s", 3)]
    assert ok(register(target, experiment_id))["version"] == 4
    ok(target.delete(f"{SCORERS}/delete", **query))
    assert listed(target, experiment_id=experiment_id) == []
    for call in ("get", "versions"):
        missing(target.get(f"{SCORERS}/{call}", **query), "'s' not found")
    missing(target.delete(f"{SCORERS}/delete", **query), "'s' not found")
    assert ok(register(target, experiment_id))["version"] == 1
    ok(target.delete(f"{SCORERS}/delete", **query, version=1))
    missing(target.get(f"{SCORERS}/versions", **query), "'s' not found")
    assert listed(target, experiment_id=experiment_id) == []


def test_scorers_of_several_experiments_are_listed(target: Target) -> None:
    first, second, gone = (target.experiment() for _ in range(3))
    for experiment_id in (second, first, gone):
        ok(register(target, experiment_id))
    ok(target.post("experiments/delete", experiment_id=gone))
    query = {"experiment_ids": [second, first, gone, "987654321"]}
    found = ok(target.get(f"{SCORERS}/list", **query))["scorers"]
    numbers = sorted([int(first), int(second)])
    assert [one["experiment_id"] for one in found] == numbers
    everywhere = ok(target.get(f"{SCORERS}/list"))["scorers"]
    assert set(numbers) <= {one["experiment_id"] for one in everywhere}
    assert int(gone) not in {one["experiment_id"] for one in everywhere}
    assert listed(target, experiment_ids=["987654321"]) == []
    both = target.get(f"{SCORERS}/list", experiment_ids=[first], experiment_id=second)
    invalid(both, "Cannot specify both")
    invalid(target.get(f"{SCORERS}/list", experiment_ids=["x"]), "must be a valid integer")
    missing(target.get(f"{SCORERS}/list", experiment_id="987654321"), "987654321")
    invalid(target.get(f"{SCORERS}/list", experiment_id=gone), "'active' state")
    invalid(register(target, gone), "'active' state")


def test_what_is_no_scorer_is_refused(target: Target) -> None:
    experiment_id = target.experiment()
    body = {"experiment_id": experiment_id, "name": "s", "serialized_scorer": CONTENT}
    for name in body:
        less = {key: value for key, value in body.items() if key != name}
        invalid(target.post(f"{SCORERS}/register", **less), f"'{name}'")
    invalid(register(target, experiment_id, name="  "))
    invalid(register(target, "x"), "must be a valid integer")
    missing(register(target, "987654321"), "No Experiment with id=987654321")
    invalid(register(target, experiment_id, content="{bad"), "must be valid JSON")
    for code in ({"call_source": "x"}, {"a": [{"b": {"call_source": ""}}]}):
        answer = register(target, experiment_id, content=json.dumps(code))
        invalid(answer, "Custom scorer registration")
    for model in ("", " "):
        invalid(register(target, experiment_id, content=judge(model)), "cannot be empty")
    invalid(register(target, experiment_id, content=judge(5)), "must be a string")
    missing(register(target, experiment_id, content=judge("gateway:/none")), "name='none'")
    nested = {"memory_augmented_judge_data": {"base_judge": json.loads(judge("gateway:/none"))}}
    missing(register(target, experiment_id, content=json.dumps(nested)), "name='none'")
    for options in (
        [1],
        {"api_base": "http://x"},
        {"a": [["base_url", "x"]]},
        {"a": {"fallbacks": 1}},
    ):
        content = json.dumps({"deep": [{"third_party_scorer_data": {"kwargs": options}}]})
        invalid(register(target, experiment_id, content=content), "third_party_scorer_data.kwargs")
    for content in ("[1]", '"x"', '{"instructions_judge_pydantic_data": [1]}'):
        answer = register(target, experiment_id, content=content)
        assert answer.status == target.choose("dataset-json", theirs=500, ours=400)
    assert listed(target, experiment_id=experiment_id) == []


def test_nothing_is_scored_as_it_comes_but_that_can_be_said(target: Target) -> None:
    experiment_id = target.experiment()
    scorer_id = ok(register(target, experiment_id))["scorer_id"]
    path = f"{SCORERS}/online-configs"
    assert ok(target.get(path, scorer_ids=scorer_id)) == {"configs": []}
    said = ok(online(target, experiment_id, sample_rate=0, filter_string="status = 'OK'"))
    made: Json = said["config"]
    assert (made["scorer_id"], made["experiment_id"]) == (scorer_id, experiment_id)
    assert (made["sample_rate"], made["filter_string"]) == (0.0, "status = 'OK'")
    ids = [scorer_id, str(uuid.uuid4()), "none"]
    assert ok(target.get(path, scorer_ids=ids)) == {"configs": [made]}
    again = ok(online(target, experiment_id, sample_rate=0.0))["config"]
    assert "filter_string" not in again
    assert again["online_scoring_config_id"] != made["online_scoring_config_id"]
    assert ok(target.get(path, scorer_ids=scorer_id)) == {"configs": [again]}
    invalid(online(target, experiment_id, sample_rate=0.5), "does not use a gateway model")
    for rate in (-0.1, 1.5):
        invalid(online(target, experiment_id, sample_rate=rate), "between 0.0 and 1.0")
    invalid(online(target, experiment_id), "'sample_rate'")
    invalid(online(target, experiment_id, sample_rate=0, filter_string="bogus ="))
    invalid(online(target, experiment_id, sample_rate=0, filter_string=5), "filter_string")
    missing(online(target, experiment_id, sample_rate=0, name="none"), "'none' not found")
    missing(online(target, "987654321", sample_rate=0), "987654321")
    invalid(target.get(path), "'scorer_ids'")
    assert ok(target.get(path, scorer_ids=scorer_id)) == {"configs": [again]}
