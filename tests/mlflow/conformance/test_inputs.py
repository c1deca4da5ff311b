"""What runs read and made: datasets and logged models."""

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, ok

DATASETS = "/ajax-api/2.0/mlflow/experiments/search-datasets"


def dataset(name: str = "d", digest: str = "1", **fields: str) -> Json:
    return {"name": name, "digest": digest, "source_type": "local", "source": "{}", **fields}


def entry(name: str = "d", context: str | None = None, **fields: str) -> Json:
    tags = [{"key": "mlflow.data.context", "value": context}] if context else []
    return {"dataset": dataset(name, **fields), "tags": tags}


def inputs(target: Target, run_id: str) -> list[Json]:
    found: list[Json] = target.read(run_id).get("inputs", {}).get("dataset_inputs", [])
    return found


def test_a_dataset_is_read_back_with_its_tags(target: Target) -> None:
    run_id = target.run()
    logged = entry("d", "training", schema='{"a": 1}', profile='{"rows": 2}')
    logged["tags"].append({"key": "foo", "value": "baz"})
    ok(target.post("runs/log-inputs", run_id=run_id, datasets=[logged]))
    (found,) = inputs(target, run_id)
    assert found["dataset"] == logged["dataset"]
    assert sorted(found["tags"], key=lambda tag: tag["key"]) == sorted(
        logged["tags"], key=lambda tag: tag["key"]
    )


def test_a_dataset_of_the_same_name_and_digest_is_kept_once(target: Target) -> None:
    run_id = target.run()
    ok(target.post("runs/log-inputs", run_id=run_id, datasets=[entry("a"), entry("a")]))
    ok(target.post("runs/log-inputs", run_id=run_id, datasets=[entry("a"), entry("b")]))
    assert sorted(found["dataset"]["name"] for found in inputs(target, run_id)) == ["a", "b"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run_id": None}, "Missing value for required parameter 'run_id'"),
        ({"run_id": 5}, "Invalid value 5 for parameter 'run_id' supplied"),
        ({"datasets": "x"}, "Invalid value \"x\" for parameter 'datasets' supplied"),
        ({"datasets": [entry("n" * 501)]}, "500"),
        ({"datasets": [entry(digest="d" * 37)]}, "36"),
        ({"datasets": [entry(source="s" * 65536)]}, "65535"),
        ({"datasets": [entry(schema="s" * 1048576)]}, "1048575"),
        ({"datasets": [{"dataset": dataset(), "tags": [{"key": "k" * 256, "value": ""}]}]}, "255"),
        ({"datasets": [{"dataset": dataset(), "tags": [{"key": "k", "value": "v" * 501}]}]}, "500"),
    ],
)
def test_wrong_inputs_are_refused(target: Target, fields: Json, words: str) -> None:
    run_id = target.run()
    invalid(target.post("runs/log-inputs", **{"run_id": run_id, **fields}), words)
    assert inputs(target, run_id) == []


def test_the_datasets_of_an_experiment_are_listed(target: Target) -> None:
    experiment_id = target.experiment()
    run_id = target.run(experiment_id)
    ok(target.post("runs/log-inputs", run_id=run_id, datasets=[entry("a", "training")]))
    ok(target.post("runs/log-inputs", run_id=run_id, datasets=[entry("b")]))
    found = ok(target.post(DATASETS, experiment_ids=[experiment_id]))["dataset_summaries"]
    assert sorted(found, key=lambda summary: summary["name"]) == [
        {"experiment_id": experiment_id, "name": "a", "digest": "1", "context": "training"},
        {"experiment_id": experiment_id, "name": "b", "digest": "1"},
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "SearchDatasets request must specify at least one experiment_id"),
        ({"experiment_ids": []}, "SearchDatasets request must specify at least one experiment_id"),
        (
            {"experiment_ids": [str(i) for i in range(21)]},
            "SearchDatasets request cannot specify more than 20 experiment_ids",
        ),
    ],
)
def test_datasets_are_asked_for_rightly(target: Target, body: Json, words: str) -> None:
    invalid(target.post(DATASETS, **body), words)


def test_models_in_and_out_of_a_run_are_read_back(target: Target) -> None:
    experiment_id = target.experiment()
    run_id = target.run(experiment_id)
    models = [
        ok(target.post("logged-models", experiment_id=experiment_id))["model"]["info"]["model_id"]
        for _ in range(2)
    ]
    ok(target.post("runs/log-inputs", run_id=run_id, models=[{"model_id": models[0]}]))
    ok(target.post("runs/outputs", run_id=run_id, models=[{"model_id": models[1], "step": 4}]))
    run = target.read(run_id)
    assert run["inputs"]["model_inputs"] == [{"model_id": models[0]}]
    assert run["outputs"]["model_outputs"] == [{"model_id": models[1], "step": 4}]
    answer = target.post("runs/outputs", run_id=run_id)
    invalid(answer, "Missing value for required parameter 'models'")
