"""Logged models: create, finalize, tags, params, metrics, search and artifacts."""

from typing import Any

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok, pairs

UNKNOWN = "m-" + "0" * 32


def create(target: Target, experiment_id: str | None = None, **fields: Any) -> Json:
    experiment_id = target.experiment() if experiment_id is None else experiment_id
    model: Json = ok(target.post("logged-models", experiment_id=experiment_id, **fields))["model"]
    return model


def read(target: Target, model_id: str) -> Json:
    model: Json = ok(target.get(f"logged-models/{model_id}"))["model"]
    return model


def test_a_new_model_is_pending_and_read_back(target: Target) -> None:
    experiment_id = target.experiment()
    run_id = target.run(experiment_id)
    model = create(
        target,
        experiment_id,
        name="net",
        model_type="agent",
        source_run_id=run_id,
        params=[{"key": "p", "value": "1"}],
        tags=[{"key": "t", "value": "2"}],
    )
    info = model["info"]
    model_id = info["model_id"]
    assert model_id.startswith("m-")
    assert len(model_id) == 34
    assert info["experiment_id"] == experiment_id
    assert info["name"] == "net"
    assert info["model_type"] == "agent"
    assert info["source_run_id"] == run_id
    assert info["status"] == "LOGGED_MODEL_PENDING"
    assert info["artifact_uri"] == f"mlflow-artifacts:/{experiment_id}/models/{model_id}/artifacts"
    assert info["creation_timestamp_ms"] == info["last_updated_timestamp_ms"] > 0
    assert pairs(info["tags"]) == {"t": "2"}
    assert pairs(model["data"]["params"]) == {"p": "1"}
    assert read(target, model_id) == model


@pytest.mark.parametrize("run_id", ["0" * 32, "anothers-run"])
def test_a_model_of_a_run_that_is_not_here(target: Target, run_id: str) -> None:
    experiment_id = target.experiment()
    model = create(target, experiment_id, source_run_id=run_id)
    model_id = model["info"]["model_id"]
    assert read(target, model_id)["info"]["source_run_id"] == run_id
    asked = {"experiment_ids": [experiment_id], "filter": f"attributes.source_run_id = '{run_id}'"}
    (found,) = ok(target.post("logged-models/search", **asked))["models"]
    assert found["info"]["model_id"] == model_id


def test_a_model_without_a_name_gets_one(target: Target) -> None:
    assert create(target)["info"]["name"]


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "a%b", 'a"b', "a'b"])
def test_a_wrong_name_is_refused(target: Target, name: str) -> None:
    answer = target.post("logged-models", experiment_id=target.experiment(), name=name)
    invalid(answer, "name")


def test_a_model_needs_an_active_experiment(target: Target) -> None:
    invalid(target.post("logged-models"), "Missing value for required parameter 'experiment_id'")
    missing(target.post("logged-models", experiment_id="99999999"), "No Experiment with id=")
    experiment_id = target.experiment()
    ok(target.post("experiments/delete", experiment_id=experiment_id))
    invalid(target.post("logged-models", experiment_id=experiment_id), "'active' state")


@pytest.mark.parametrize("status", ["LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"])
def test_a_model_is_finalized(target: Target, status: str) -> None:
    model_id = create(target)["info"]["model_id"]
    answer = target.patch(f"logged-models/{model_id}", model_id=model_id, status=status)
    assert ok(answer)["model"]["info"]["status"] == status
    assert read(target, model_id)["info"]["status"] == status


def test_a_model_is_finalized_rightly(target: Target) -> None:
    model_id = create(target)["info"]["model_id"]
    answer = target.patch(f"logged-models/{model_id}", model_id=model_id)
    invalid(answer, "Missing value for required parameter 'status'")
    answer = target.patch(f"logged-models/{UNKNOWN}", model_id=UNKNOWN, status=2)
    missing(answer, f"Logged model with ID '{UNKNOWN}' not found")


def test_an_unknown_model_is_not_found(target: Target) -> None:
    path, words = f"logged-models/{UNKNOWN}", f"Logged model with ID '{UNKNOWN}' not found"
    missing(target.get(path), words)
    missing(target.delete(path), words)
    missing(target.patch(f"{path}/tags", tags=[{"key": "k", "value": "v"}]), words)
    missing(target.delete(f"{path}/tags/k"), words)
    missing(target.get(f"{path}/artifacts/directories"), words)
    params = [{"key": "k", "value": "v"}]
    missing(target.post(f"{path}/params", model_id=UNKNOWN, params=params), words)


def test_tags_of_a_model_are_set_and_deleted(target: Target) -> None:
    model_id = create(target)["info"]["model_id"]
    path = f"logged-models/{model_id}/tags"
    for value in ("1", "2"):
        ok(target.patch(path, tags=[{"key": "a", "value": value}, {"key": "b/c", "value": "x"}]))
    assert pairs(read(target, model_id)["info"]["tags"]) == {"a": "2", "b/c": "x"}
    ok(target.delete(f"{path}/a"))
    assert pairs(read(target, model_id)["info"]["tags"]) == {"b/c": "x"}
    missing(target.delete(f"{path}/a"), "No tag with key 'a' found")


def test_params_of_a_model_are_added(target: Target) -> None:
    model_id = create(target)["info"]["model_id"]
    params = [{"key": "lr", "value": "0.1"}, {"key": "empty", "value": ""}]
    ok(target.post(f"logged-models/{model_id}/params", model_id=model_id, params=params))
    assert pairs(read(target, model_id)["data"]["params"]) == {"lr": "0.1", "empty": ""}


def test_a_metric_with_a_model_is_the_models_too(target: Target) -> None:
    experiment_id = target.experiment()
    run_id, model_id = target.run(experiment_id), create(target, experiment_id)["info"]["model_id"]
    metric = {"key": "acc", "value": 0.5, "timestamp": 5, "step": 3, "model_id": model_id}
    dataset = {"dataset_name": "d", "dataset_digest": "1"}
    ok(target.post("runs/log-metric", run_id=run_id, **metric, **dataset))
    ok(target.post("runs/log-batch", run_id=run_id, metrics=[{**metric, "key": "other"}]))
    metrics = {m["key"]: m for m in read(target, model_id)["data"]["metrics"]}
    assert metrics["acc"] == {**metric, **dataset, "run_id": run_id}
    assert metrics["other"] == {**metric, "key": "other", "run_id": run_id}
    assert {m["key"] for m in target.read(run_id)["data"]["metrics"]} == {"acc", "other"}


@pytest.mark.parametrize("value", [0.5, "NaN"])
def test_a_metric_that_is_sent_again_is_the_models_once(target: Target, value: float | str) -> None:
    experiment_id = target.experiment()
    run_id, model_id = target.run(experiment_id), create(target, experiment_id)["info"]["model_id"]
    metric = {"key": "acc", "value": value, "timestamp": 5, "step": 3, "model_id": model_id}
    for _ in range(2):
        ok(target.post("runs/log-metric", run_id=run_id, **metric))
        ok(target.post("runs/log-batch", run_id=run_id, metrics=[metric, {**metric, "step": 4}]))
    metrics = read(target, model_id)["data"]["metrics"]
    assert sorted(one["step"] for one in metrics) == [3, 4]


def test_a_deleted_model_is_gone(target: Target) -> None:
    model_id = create(target)["info"]["model_id"]
    ok(target.delete(f"logged-models/{model_id}"))
    missing(target.get(f"logged-models/{model_id}"))
    kept = ok(target.get(f"logged-models/{model_id}", allow_deleted="true"))["model"]
    assert kept["info"]["model_id"] == model_id


@pytest.fixture(scope="module")
def shelf(target: Target) -> tuple[str, dict[str, str]]:
    """An experiment with the models `a`, `b` and `c`."""
    experiment_id = target.experiment()
    run_id = target.run(experiment_id)
    models = {}
    for i, name in enumerate("abc"):
        fields = {"name": name, "model_type": "tree" if i else "net"}
        params = [{"key": "lr", "value": f"0.{i}"}]
        tags = [{"key": "team", "value": "Red" if i % 2 else "red"}]
        info = create(target, experiment_id, params=params, tags=tags, **fields)["info"]
        model_id = models[name] = info["model_id"]
        metric = {"value": i, "timestamp": 1, "model_id": model_id}
        dataset = {"dataset_name": "d", "dataset_digest": str(i)}
        ok(target.post("runs/log-metric", run_id=run_id, key="acc", **metric, **dataset))
    ok(target.patch(f"logged-models/{models['c']}", model_id=models["c"], status=2))
    return experiment_id, models


def names(target: Target, experiment_id: str, **fields: Any) -> str:
    answer = ok(target.post("logged-models/search", experiment_ids=[experiment_id], **fields))
    return " ".join(model["info"]["name"] for model in answer.get("models", []))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "c b a"),
        ("name = 'a'", "a"),
        ("attributes.name != 'a'", "c b"),
        ("name LIKE '%'", "c b a"),
        ("model_type = 'tree'", "c b"),
        ("attributes.model_type ILIKE 'TR%'", "c b"),
        ("params.lr = '0.1'", "b"),
        ("tags.team = 'red'", "c a"),
        ("tags.`team` ILIKE 'RED'", "c b a"),
        ("metrics.acc > 0", "c b"),
        ("metrics.acc <= 1 AND model_type = 'tree'", "b"),
        ("name IN ('a', 'c')", "c a"),
        ("name NOT IN ('a', 'c')", "b"),
        ("creation_timestamp > 0", "c b a"),
        ("creation_time < 5", ""),
    ],
)
def test_a_filter_finds_its_models(
    target: Target, shelf: tuple[str, dict[str, str]], text: str, expected: str
) -> None:
    assert sorted(names(target, shelf[0], filter=text).split()) == sorted(expected.split())


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([{"field_name": "name"}], "a b c"),
        ([{"field_name": "name", "ascending": False}], "c b a"),
        ([{"field_name": "metrics.acc", "ascending": False}], "c b a"),
        ([{"field_name": "metrics.acc", "dataset_name": "d", "dataset_digest": "1"}], "b"),
        ([{"field_name": "creation_timestamp"}, {"field_name": "name"}], "a b c"),
    ],
)
def test_models_come_in_order(
    target: Target, shelf: tuple[str, dict[str, str]], order: list[Json], expected: str
) -> None:
    assert names(target, shelf[0], order_by=order).startswith(expected)


def test_models_are_found_by_their_datasets(
    target: Target, shelf: tuple[str, dict[str, str]]
) -> None:
    found = names(target, shelf[0], datasets=[{"dataset_name": "d", "dataset_digest": "1"}])
    assert found == "b"
    fields = {"filter": "metrics.acc >= 0", "datasets": [{"dataset_name": "x"}]}
    assert names(target, shelf[0], **fields) == ""


def test_models_come_in_pages(target: Target, shelf: tuple[str, dict[str, str]]) -> None:
    body: Json = {"experiment_ids": [shelf[0]], "max_results": 2}
    first = ok(target.post("logged-models/search", **body))
    assert len(first["models"]) == 2
    second = ok(target.post("logged-models/search", **body, page_token=first["next_page_token"]))
    assert len(second["models"]) == 1
    assert "next_page_token" not in second


@pytest.mark.parametrize(
    "fields",
    [
        {"experiment_ids": "0"},
        {"filter": "name > 'x'"},
        {"filter": "name = 'x"},
        {"order_by": [{"field_name": "nonsense"}]},
        {"order_by": [{"field_name": "params.x"}]},
        {"datasets": [{"dataset_digest": "1"}]},
    ],
)
def test_a_wrong_search_is_refused(target: Target, fields: Json) -> None:
    invalid(target.post("logged-models/search", **{"experiment_ids": ["0"], **fields}))


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": "nonsense = 'x'"},
        {"filter": "metrics.acc > 'x'"},
        {"page_token": "no token"},
    ],
)
def test_a_senseless_search_is_the_callers_mistake(target: Target, fields: Json) -> None:
    answer = target.post("logged-models/search", experiment_ids=["0"], **fields)
    assert answer.status == target.choose("model-search", theirs=500, ours=400)


def test_files_of_a_model_are_listed(target: Target) -> None:
    info = create(target)["info"]
    root = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for name in ("MLmodel", "data/weights.bin"):
        assert target.put_artifact(f"{root}/{name}", b"1234").status == 200
    path = f"logged-models/{info['model_id']}/artifacts/directories"
    listed = ok(target.get(path))
    assert listed["root_uri"] == info["artifact_uri"]
    assert listed["files"] == [
        {"path": "MLmodel", "is_dir": False, "file_size": 4},
        {"path": "data", "is_dir": True},
    ]
    inner = ok(target.get(path, artifact_directory_path="data"))["files"]
    assert inner == [{"path": "data/weights.bin", "is_dir": False, "file_size": 4}]
    assert target.get_artifact(f"{root}/data/weights.bin").content == b"1234"
    files = f"/ajax-api/2.0/mlflow/logged-models/{info['model_id']}/artifacts/files"
    answer = target.get(files, artifact_file_path="MLmodel")
    assert (answer.status, answer.content) == (200, b"1234")
    invalid(target.get(files, artifact_file_path="../x"), "Invalid path")
    invalid(target.get(path, artifact_directory_path="../x"), "Invalid path")
