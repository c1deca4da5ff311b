"""Evaluation datasets and their records."""

import json
import os
from typing import Any

from tests.http import Answer
from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok

DATASETS = "/api/3.0/mlflow/datasets"
FIRST = {
    "inputs": {"q": "why", "n": 1, "f": 0.5, "l": [1], "o": {"x": 1}, "t": True, "z": None},
    "expectations": {"answer": "so"},
    "tags": {"k": "v", "mlflow.user": "me"},
    "source": {"source_type": "trace", "source_data": {"trace_id": "tr-1"}},
}


def nowhere() -> str:
    return f"{DATASETS}/d-{os.urandom(16).hex()}"


def create(target: Target, *experiment_ids: str, **fields: Any) -> Json:
    body = {"name": target.name("dataset"), "experiment_ids": list(experiment_ids), **fields}
    made: Json = ok(target.post(f"{DATASETS}/create", **body))["dataset"]
    return made


def read(target: Target, path: str) -> Json:
    dataset: Json = ok(target.get(path))["dataset"]
    return dataset


def put(target: Target, path: str, *records: Any) -> Answer:
    return target.post(f"{path}/records", records=json.dumps(records))


def records(target: Target, path: str) -> list[Json]:
    found: list[Json] = json.loads(ok(target.get(f"{path}/records"))["records"])
    return found


def found(target: Target, experiment_id: str, text: str = "", **fields: Any) -> list[str]:
    answer = ok(search(target, experiment_id, filter_string=text, **fields))
    return [one["name"] for one in answer.get("datasets", [])]


def search(target: Target, experiment_id: str, **fields: Any) -> Answer:
    return target.post(f"{DATASETS}/search", experiment_ids=[experiment_id], **fields)


def test_a_dataset_is_made_and_read(target: Target) -> None:
    experiment_id = target.experiment()
    name = target.name("dataset")
    tags = json.dumps({"k": "v", "mlflow.user": "me"})
    made = create(target, experiment_id, name=name, tags=tags)
    assert (made["name"], json.loads(made["tags"])) == (name, json.loads(tags))
    assert made["dataset_id"].startswith("d-")
    assert len(made["digest"]) == 8
    assert (made["created_by"], made["last_updated_by"]) == ("me", "me")
    assert made["created_time"] == made["last_update_time"]
    assert made["experiment_ids"] == [experiment_id]
    assert "schema" not in made
    assert "profile" not in made
    for prefix in (DATASETS, DATASETS.replace("/api", "/ajax-api")):
        again = read(target, f"{prefix}/{made['dataset_id']}")
        assert {**made, **again} == made
    second = create(target, name=name)
    assert second["dataset_id"] != made["dataset_id"]
    assert json.loads(second["tags"]) == {}
    missing(target.get(nowhere()), "not found")
    missing(target.get(f"{DATASETS}/nothing"), "not found")


def test_what_is_no_dataset_is_refused(target: Target) -> None:
    invalid(target.post(f"{DATASETS}/create"), "'name'")
    invalid(target.post(f"{DATASETS}/create", name=""), "'name'")
    invalid(target.post(f"{DATASETS}/create", name="x", experiment_ids="1"), "experiment_ids")
    invalid(target.post(f"{DATASETS}/create", name="x", tags={"k": "v"}), "tags")
    blank = target.post(f"{DATASETS}/create", name=" \n")
    assert blank.status == target.choose("blank-name", theirs=200, ours=400)
    for tags in ("{bad", "[1]"):
        answer = target.post(f"{DATASETS}/create", name="x", tags=tags)
        assert answer.status == target.choose("dataset-json", theirs=500, ours=400)
    for experiment_id in ("987654321", "none"):
        answer = target.post(f"{DATASETS}/create", name="x", experiment_ids=[experiment_id])
        assert answer.status == target.choose("dataset-experiment", theirs=200, ours=404)


def test_a_dataset_is_deleted_with_its_records(target: Target) -> None:
    path = f"{DATASETS}/{create(target, target.experiment())['dataset_id']}"
    ok(put(target, path, FIRST))
    assert ok(target.delete(path)) == {}
    missing(target.get(path), "not found")
    ok(target.delete(path))
    answer = target.get(f"{path}/records")
    assert answer.status == target.choose("dataset-missing", theirs=200, ours=404)


def test_tags_are_set_and_deleted(target: Target) -> None:
    tags = json.dumps({"a": "b", "c": "d"})
    path = f"{DATASETS}/{create(target, tags=tags)['dataset_id']}"
    change = {"c": "e", "n": 1, "t": True, "gone": None, "grüße": "ü"}
    assert ok(target.patch(f"{path}/tags", tags=json.dumps(change))) == {}
    kept = {"a": "b", "c": "e", "n": "1", "t": "True", "grüße": "ü"}
    assert json.loads(read(target, path)["tags"]) == kept
    for _ in range(2):
        ok(target.delete(f"{path}/tags/a"))
    ok(target.delete(f"{path}/tags/gr%C3%BC%C3%9Fe"))
    assert json.loads(read(target, path)["tags"]) == {"c": "e", "n": "1", "t": "True"}
    invalid(target.patch(f"{path}/tags"), "'tags'")
    missing(target.patch(f"{nowhere()}/tags", tags="{}"))
    ok(target.delete(f"{nowhere()}/tags/a"))
    answer = target.patch(f"{path}/tags", tags="[]")
    assert answer.status == target.choose("dataset-json", theirs=500, ours=400)


def test_records_are_known_again_by_their_inputs(target: Target) -> None:
    path = f"{DATASETS}/{create(target)['dataset_id']}"
    assert ok(put(target, path, FIRST, {"inputs": {"q": "b"}, "outputs": {"o": 1}})) == {
        "inserted_count": 2, "updated_count": 0,
    }  # fmt: skip
    before = read(target, path)
    assert before["last_updated_by"] == "me"
    more = {
        "inputs": dict(reversed(FIRST["inputs"].items())),  # type: ignore[attr-defined]
        "outputs": {"o": "p"}, "expectations": {"also": [1]}, "tags": {"l": "w"},
        "source": {"source_type": "HUMAN"},
    }  # fmt: skip
    again = ok(put(target, path, more, {"inputs": {"q": "c"}}, {"inputs": {"q": "b", "p": None}}))
    assert again == {"inserted_count": 2, "updated_count": 1}
    listed = {json.dumps(one["inputs"]): one for one in records(target, path)}
    assert len(listed) == 4
    merged = listed[json.dumps(FIRST["inputs"])]
    assert merged["outputs"] == {"o": "p"}
    assert merged["expectations"] == {"answer": "so", "also": [1]}
    assert merged["tags"] == {"k": "v", "mlflow.user": "me", "l": "w"}
    assert merged["source"] == {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}}
    assert (merged["source_id"], merged["source_type"]) == ("tr-1", "TRACE")
    assert (merged["created_by"], merged["last_updated_by"]) == ("me", "me")
    assert merged["dataset_record_id"].startswith("dr-")
    assert merged["dataset_id"] == before["dataset_id"]
    assert listed['{"q": "b"}']["outputs"] == {"o": 1}
    plain = listed['{"q": "c"}']
    assert (plain["outputs"], plain["tags"]) == ({}, {})
    assert {"expectations", "source", "source_id", "created_by"}.isdisjoint(plain)
    after = read(target, path)
    assert after["digest"] != before["digest"]
    assert json.loads(after["profile"]) == {"num_records": 4}
    assert "last_updated_by" not in after
    assert json.loads(after["schema"]) == {
        "inputs": {
            "q": "string", "n": "integer", "f": "float", "l": "array", "o": "object",
            "t": "boolean", "z": "null", "p": "null",
        },
        "outputs": {"o": "integer"},
        "expectations": {"answer": "string", "also": "array"},
        "version": "1.0",
    }  # fmt: skip


def test_the_same_inputs_twice_in_one_call_are_one_record(target: Target) -> None:
    path = f"{DATASETS}/{create(target)['dataset_id']}"
    twice = [{"inputs": {"q": 1}, "expectations": {name: 1}, "extra": 1} for name in "ab"]
    assert ok(put(target, path, *twice)) == {"inserted_count": 1, "updated_count": 1}
    assert [one["expectations"] for one in records(target, path)] == [{"a": 1, "b": 1}]
    assert ok(put(target, path)) == {"inserted_count": 0, "updated_count": 0}
    ok(put(target, path, {"expectations": {"without": "inputs"}}))
    assert [one["inputs"] for one in records(target, path)] == [{"q": 1}, {}]


def test_outputs_may_be_anything(target: Target) -> None:
    path = f"{DATASETS}/{create(target)['dataset_id']}"
    ok(put(target, path, {"inputs": {"n": 1}, "outputs": "plain"}))
    ok(put(target, path, {"inputs": {"n": 2}, "outputs": None}))
    ok(put(target, path, {"inputs": {"n": 3}, "outputs": [1]}))
    found = {one["inputs"]["n"]: one.get("outputs") for one in records(target, path)}
    assert found == {1: "plain", 2: None, 3: [1]}
    assert json.loads(read(target, path)["schema"])["outputs"] == "string"
    mixed = put(target, path, {"inputs": {"n": 4}, "outputs": {"a": 1}})
    assert mixed.status == target.choose("dataset-outputs", theirs=500, ours=200)


def test_what_is_no_record_is_refused_and_nothing_is_kept(target: Target) -> None:
    path = f"{DATASETS}/{create(target)['dataset_id']}"
    invalid(target.post(f"{path}/records"), "'records'")
    invalid(target.post(f"{path}/records", records=[]), "records")
    bogus = {"inputs": {"n": 1}, "source": {"source_type": "bogus"}}
    invalid(put(target, path, {"inputs": {"n": 0}}, bogus), "Invalid dataset record source type")
    assert records(target, path) == []
    for text in (
        "{bad", '["x"]', '[{"inputs": "x"}]', '[{"inputs": null}]',
        '[{"inputs": {"a": 1}, "expectations": [1]}]', '[{"inputs": {"a": 1}, "tags": [1]}]',
        '[{"inputs": {"a": 1}, "source": {"source_data": {}}}]',
        '[{"inputs": {"a": 1}, "source": "HUMAN"}]',
    ):  # fmt: skip
        answer = target.post(f"{path}/records", records=text)
        assert answer.status == target.choose("dataset-json", theirs=500, ours=400), text
    assert records(target, path) == []
    answer = target.post(f"{path}/records", records='[{"inputs": {"a": NaN}}]')
    assert answer.status == target.choose("dataset-nan", theirs=200, ours=400)
    nothing = put(target, nowhere(), {"inputs": {"a": 1}})
    assert nothing.status == target.choose("dataset-missing", theirs=400, ours=404)


def test_records_are_read_in_pages(target: Target) -> None:
    path = f"{DATASETS}/{create(target)['dataset_id']}"
    for n in range(5):
        ok(put(target, path, {"inputs": {"n": n}}))
    seen: list[int] = []
    query: Json = {"max_results": 2}
    for size in (2, 2, 1):
        answer = ok(target.get(f"{path}/records", **query))
        page = json.loads(answer["records"])
        assert len(page) == size
        seen += [one["inputs"]["n"] for one in page]
        query["page_token"] = answer.get("next_page_token")
    assert seen == [0, 1, 2, 3, 4]
    assert query["page_token"] is None
    whole = ok(target.get(f"{path}/records", max_results=0))
    assert len(json.loads(whole["records"])) == 5
    for bad in ({"page_token": "none"}, {"max_results": -1}):
        answer_ = target.get(f"{path}/records", **bad)
        assert answer_.status == target.choose("dataset-json", theirs=500, ours=400)


def test_records_are_deleted(target: Target) -> None:
    path = f"{DATASETS}/{create(target)['dataset_id']}"
    ok(put(target, path, *({"inputs": {"n": n}} for n in range(3))))
    before = read(target, path)
    ids = [one["dataset_record_id"] for one in records(target, path)]
    gone = ok(target.delete(f"{path}/records", dataset_record_ids=[ids[0], "dr-none"]))
    assert gone == {"deleted_count": 1}
    assert [one["dataset_record_id"] for one in records(target, path)] == ids[1:]
    after = read(target, path)
    assert json.loads(after["profile"]) == {"num_records": 2}
    same = after["digest"] == before["digest"]
    assert same == target.choose("dataset-digest", theirs=True, ours=False)
    for given in ([ids[0]], ["dr-none"], []):
        answer = ok(target.delete(f"{path}/records", dataset_record_ids=given))
        assert answer == {"deleted_count": 0}
    invalid(target.delete(f"{path}/records", dataset_record_ids="x"), "dataset_record_ids")
    nothing = target.delete(f"{nowhere()}/records", dataset_record_ids=ids)
    assert nothing.status == target.choose("dataset-missing", theirs=200, ours=404)


def test_a_dataset_is_used_by_several_experiments(target: Target) -> None:
    first, second, third = (target.experiment() for _ in range(3))
    path = f"{DATASETS}/{create(target, first)['dataset_id']}"
    for _ in range(2):
        ok(target.post(f"{path}/add-experiments", experiment_ids=[second, third, first]))
    listed = ok(target.get(f"{path}/experiment-ids"))["experiment_ids"]
    assert sorted(listed) == sorted([first, second, third])
    ok(target.post(f"{path}/remove-experiments", experiment_ids=[first, "0", "987654321", "x"]))
    ok(target.post(f"{path}/remove-experiments", experiment_ids=[third]))
    assert ok(target.get(f"{path}/experiment-ids"))["experiment_ids"] == [second]
    ok(target.post(f"{path}/add-experiments", experiment_ids=[]))
    for bad in ("987654321", "x"):
        answer = target.post(f"{path}/add-experiments", experiment_ids=[first, bad])
        missing(answer, f"No Experiment with id={bad}")
    assert ok(target.get(f"{path}/experiment-ids"))["experiment_ids"] == [second]
    ok(target.post(f"{path}/remove-experiments", experiment_ids=[second]))
    assert ok(target.get(f"{path}/experiment-ids")) in ({}, {"experiment_ids": []})
    for call in ("add", "remove"):
        answer = target.post(f"{nowhere()}/{call}-experiments", experiment_ids=[first])
        missing(answer, "not found")
    nothing = target.get(f"{nowhere()}/experiment-ids")
    assert nothing.status == target.choose("dataset-missing", theirs=200, ours=404)


def test_datasets_are_found(target: Target) -> None:
    experiment_id, other = target.experiment(), target.experiment()
    for name, team in (("one", "ml"), ("two", "data"), ("Three", "ml")):
        create(
            target, experiment_id, name=name, tags=json.dumps({"team": team, "mlflow.user": team})
        )
    create(target, other, name="one")
    assert found(target, experiment_id) == ["Three", "two", "one"]
    for text, names in {
        "tags.team = 'ml'": ["Three", "one"], "tags.team != 'ml'": ["two"],
        "tags.team LIKE 'd%'": ["two"], "tags.team ILIKE 'ML'": ["Three", "one"],
        "name = 'one'": ["one"], 'name = "one"': ["one"], "name != 'one'": ["Three", "two"],
        "name LIKE 't%'": ["two"], "name ILIKE 't%'": ["Three", "two"],
        "name IN ('one', 'two')": ["two", "one"], "created_by = 'data'": ["two"],
        "last_updated_by = 'ml' AND name = 'one'": ["one"],
        "created_time > 1": ["Three", "two", "one"], "last_update_time <= 1": [],
        "tags.none = 'x'": [],
    }.items():  # fmt: skip
        assert found(target, experiment_id, text) == names, text
    for order, names in {
        "name": ["Three", "one", "two"], "name DESC": ["two", "one", "Three"],
        "created_time ASC": ["one", "two", "Three"], "last_update_time": ["one", "two", "Three"],
    }.items():  # fmt: skip
        assert found(target, experiment_id, order_by=[order]) == names, order
    for text in ("bogus = 'x'", "name =", "created_time = 'x'", "param.a = 'b'"):
        invalid(search(target, experiment_id, filter_string=text))
    for order in ("created_by", "tags.team", "bogus"):
        invalid(search(target, experiment_id, order_by=[order]))
    either = search(target, experiment_id, filter_string="name = 'one' OR tags.team = 'data'")
    assert either.status == target.choose("grammar", theirs=400, ours=200)
    assert found(target, "123456789") == []


def test_datasets_are_found_in_pages(target: Target) -> None:
    experiment_id = target.experiment()
    names = [create(target, experiment_id)["name"] for _ in range(3)]
    query: Json = {"experiment_ids": experiment_id, "max_results": 2}
    first = ok(target.get(f"{DATASETS}/search", **query))
    token = first["next_page_token"]
    last = ok(target.get(f"{DATASETS}/search", **query, page_token=token))
    listed = [one["name"] for one in first["datasets"] + last["datasets"]]
    assert listed == names[::-1]
    assert "next_page_token" not in last
    for most in (0, -1, 50_001):
        invalid(search(target, experiment_id, max_results=most), "max_results")
    invalid(search(target, experiment_id, page_token="none"), "token")


def test_a_dataset_stays_where_its_experiment_is_deleted(target: Target) -> None:
    experiment_id = target.experiment()
    made = create(target, experiment_id)
    ok(target.post("experiments/delete", experiment_id=experiment_id))
    assert read(target, f"{DATASETS}/{made['dataset_id']}")["name"] == made["name"]
    assert found(target, experiment_id) == [made["name"]]
