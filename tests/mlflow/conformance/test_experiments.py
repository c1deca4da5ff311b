"""Experiments: create, find, rename, tag, delete and restore."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok, pairs, refused


def experiment(target: Target, experiment_id: str) -> Json:
    found: Json = ok(target.get("experiments/get", experiment_id=experiment_id))["experiment"]
    return found


def test_a_created_experiment_is_read_back_by_id_and_by_name(target: Target) -> None:
    name = target.name("täßt 実験")
    tags = [{"key": "a", "value": "1"}, {"key": "b", "value": ""}]
    experiment_id = target.experiment(name=name, tags=tags)
    assert int(experiment_id) > 0
    found = experiment(target, experiment_id)
    assert found["experiment_id"] == experiment_id
    assert found["name"] == name
    assert found["lifecycle_stage"] == "active"
    assert found["artifact_location"] == f"mlflow-artifacts:/{experiment_id}"
    assert found["creation_time"] == found["last_update_time"] > 1_700_000_000_000
    assert pairs(found["tags"]) == {"a": "1", "b": ""}
    by_name = ok(target.get("experiments/get-by-name", experiment_name=name))["experiment"]
    assert by_name == found


def test_experiment_0_named_default_is_there(target: Target) -> None:
    found = experiment(target, "0")
    assert (found["name"], found["lifecycle_stage"]) == ("Default", "active")
    by_name = ok(target.get("experiments/get-by-name", experiment_name="Default"))["experiment"]
    assert by_name["experiment_id"] == "0"


def test_a_taken_name_is_refused_also_when_its_experiment_is_deleted(target: Target) -> None:
    name = target.name()
    experiment_id = target.experiment(name=name)
    taken = f"Experiment(name={name}) already exists"
    refused(target.post("experiments/create", name=name), "RESOURCE_ALREADY_EXISTS", taken)
    ok(target.post("experiments/delete", experiment_id=experiment_id))
    refused(target.post("experiments/create", name=name), "RESOURCE_ALREADY_EXISTS", taken)


def test_of_many_that_create_the_same_name_at_once_one_wins(target: Target) -> None:
    name = target.name()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: target.post("experiments/create", name=name), range(16)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 15


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Missing value for required parameter 'name'"),
        ({"name": ""}, "Missing value for required parameter 'name'"),
        ({"name": None}, "Missing value for required parameter 'name'"),
        ({"name": 123}, "Invalid value 123 for parameter 'name' supplied"),
        ({"name": "e", "artifact_location": 9.0}, "Invalid value 9.0 for parameter 'artifact"),
        ({"name": "e", "tags": "5"}, "Invalid value \"5\" for parameter 'tags' supplied"),
        ({"name": "e" * 501}, "'name' exceeds the maximum length of 500 characters"),
        ({"name": "e", "tags": [{"key": "k" * 251, "value": ""}]}, "'key' exceeds the maximum"),
        ({"name": "e", "tags": [{"key": "k", "value": "v" * 20001}]}, "'value' exceeds the max"),
        ({"name": "e", "tags": [{"key": "k?", "value": ""}]}, "Names may only contain alphanum"),
        ({"name": "e", "tags": [{"key": "../k", "value": ""}]}, "Names may be treated as files"),
    ],
)
def test_a_wrong_field_of_a_new_experiment_is_named(target: Target, body: Json, words: str) -> None:
    invalid(target.post("experiments/create", **body), words)


@pytest.mark.parametrize("path", ["experiments/delete", "experiments/restore"])
def test_what_is_not_there_is_neither_deleted_nor_restored(target: Target, path: str) -> None:
    words = "No Experiment with id=99999999 exists"
    missing(target.post(path, experiment_id="99999999"), words)
    invalid(target.post(path), "Missing value for required parameter 'experiment_id'")


def test_an_unknown_experiment_is_not_found(target: Target) -> None:
    missing(target.get("experiments/get", experiment_id="99999999"), "No Experiment with id=999")
    invalid(target.get("experiments/get", experiment_id="x"), "must be a valid integer")
    invalid(target.get("experiments/get"), "Missing value for required parameter 'experiment_id'")
    name = target.name()
    answer = target.get("experiments/get-by-name", experiment_name=name)
    missing(answer, f"Could not find experiment with name '{name}'")
    answer = target.get("experiments/get-by-name")
    invalid(answer, "Missing value for required parameter 'experiment_name'")


@pytest.mark.parametrize("spell", ["0_{}", "+{}", " {} ", "arabic"])
def test_an_id_is_in_plain_digits(target: Target, spell: str) -> None:
    experiment_id = target.experiment()
    arabic = experiment_id.translate({ord("0") + i: ord("\u0660") + i for i in range(10)})
    odd = arabic if spell == "arabic" else spell.format(experiment_id)
    answer = target.get("experiments/get", experiment_id=odd)
    if target.choose("plain-digits", theirs=True, ours=False):
        assert ok(answer)["experiment"]["experiment_id"] == experiment_id
    else:
        invalid(answer, "must be a valid integer")
        invalid(target.post("runs/create", experiment_id=odd), "must be a valid integer")
        invalid(target.post("runs/search", experiment_ids=[odd]), "must be a valid integer")
    missing(target.get("experiments/get", experiment_id="-7"), "No Experiment with id=-7")


def test_a_renamed_experiment_has_its_new_name(target: Target) -> None:
    experiment_id, name = target.experiment(), target.name("renamed")
    ok(target.post("experiments/update", experiment_id=experiment_id, new_name=name))
    found = experiment(target, experiment_id)
    assert found["name"] == name
    assert found["last_update_time"] >= found["creation_time"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Missing value for required parameter 'new_name'"),
        ({"new_name": ""}, "Missing value for required parameter 'new_name'"),
        ({"new_name": 5}, "Invalid value 5 for parameter 'new_name' supplied"),
        ({"new_name": "n" * 501}, "'name' exceeds the maximum length of 500 characters"),
    ],
)
def test_an_experiment_is_not_renamed_to_a_wrong_name(
    target: Target, fields: Json, words: str
) -> None:
    invalid(target.post("experiments/update", experiment_id=target.experiment(), **fields), words)


def test_an_experiment_is_not_renamed_to_a_taken_name(target: Target) -> None:
    name = target.name()
    target.experiment(name=name)
    experiment_id = target.experiment()
    answer = target.post("experiments/update", experiment_id=experiment_id, new_name=name)
    code = target.choose("rename-taken", theirs="BAD_REQUEST", ours="RESOURCE_ALREADY_EXISTS")
    refused(answer, code)


def test_runs_follow_their_experiment_to_the_trash_and_back(target: Target) -> None:
    experiment_id = target.experiment()
    run_id = target.run(experiment_id)
    ok(target.post("experiments/delete", experiment_id=experiment_id))
    assert experiment(target, experiment_id)["lifecycle_stage"] == "deleted"
    assert target.read(run_id)["info"]["lifecycle_stage"] == "deleted"
    missing(target.post("experiments/delete", experiment_id=experiment_id))
    ok(target.post("experiments/restore", experiment_id=experiment_id))
    assert experiment(target, experiment_id)["lifecycle_stage"] == "active"
    assert target.read(run_id)["info"]["lifecycle_stage"] == "active"
    missing(target.post("experiments/restore", experiment_id=experiment_id))


def test_a_deleted_experiment_takes_no_changes(target: Target) -> None:
    experiment_id = target.experiment(tags=[{"key": "k", "value": "v"}])
    ok(target.post("experiments/delete", experiment_id=experiment_id))
    state = f"The experiment {experiment_id} must be in the 'active' state"
    fields = {"experiment_id": experiment_id, "key": "k"}
    invalid(target.post("experiments/set-experiment-tag", **fields, value="w"), state)
    invalid(target.post("experiments/delete-experiment-tag", **fields), state)
    invalid(target.post("runs/create", experiment_id=experiment_id), state)
    renamed = target.post("experiments/update", experiment_id=experiment_id, new_name="other")
    assert renamed.status == target.choose("rename-deleted", theirs=500, ours=400)
    assert "Cannot rename a non-active experiment" in renamed.json["message"]


def test_tags_of_an_experiment_are_set_overwritten_and_deleted(target: Target) -> None:
    experiment_id, other = target.experiment(), target.experiment()

    def set_tag(key: str, value: str) -> None:
        fields = {"experiment_id": experiment_id, "key": key, "value": value}
        ok(target.post("experiments/set-experiment-tag", **fields))

    for key, value in [("k", "1"), ("k", "2"), ("a b/c.d-e:f", "x\ny"), ("empty", "")]:
        set_tag(key, value)
    expected = {"k": "2", "a b/c.d-e:f": "x\ny", "empty": ""}
    assert pairs(experiment(target, experiment_id)["tags"]) == expected
    assert experiment(target, other).get("tags", []) == []
    ok(target.post("experiments/delete-experiment-tag", experiment_id=experiment_id, key="k"))
    del expected["k"]
    assert pairs(experiment(target, experiment_id)["tags"]) == expected
    answer = target.post("experiments/delete-experiment-tag", experiment_id=experiment_id, key="k")
    missing(answer, f"No tag with name: k in experiment with id {experiment_id}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"value": "v"}, "Missing value for required parameter 'key'"),
        ({"key": 3, "value": "v"}, "Invalid value 3 for parameter 'key' supplied"),
        ({"key": "k", "value": 3}, "Invalid value 3 for parameter 'value' supplied"),
        ({"key": "k" * 251, "value": "v"}, "'key' exceeds the maximum length of 250"),
        ({"key": "k", "value": "v" * 20001}, "'value' exceeds the maximum length of 20000"),
        ({"key": "/k", "value": "v"}, "Names may be treated as files"),
    ],
)
def test_a_wrong_tag_of_an_experiment_is_refused(target: Target, fields: Json, words: str) -> None:
    body: dict[str, Any] = {"experiment_id": target.experiment(), **fields}
    invalid(target.post("experiments/set-experiment-tag", **body), words)


def test_a_tag_for_an_unknown_experiment_is_refused(target: Target) -> None:
    fields = {"experiment_id": "99999999", "key": "k", "value": "v"}
    missing(target.post("experiments/set-experiment-tag", **fields), "No Experiment with id=")


@pytest.mark.parametrize("location", ["file:///etc", "/etc", "my_location", "s3://bucket/x"])
def test_artifacts_are_kept_by_the_server_alone(target: Target, location: str) -> None:
    answer = target.post("experiments/create", name=target.name(), artifact_location=location)
    assert answer.status == target.choose("artifact-location", theirs=200, ours=400)
