"""Run by MLflow's own interpreter: makes a store in FOLDER and prints what MLflow reads from it."""

import json
import math
import os
import sys
from pathlib import Path

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunTag,
    ViewType,
)

folder, uri, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
os.chdir(folder)
client = MlflowClient(uri, uri)
START = 1_700_000_000_000
ODD = [math.nan, math.inf, -math.inf, -0.0, 1e-308, 0.1]


def make() -> None:
    first = client.create_experiment("first", tags={"team": "x", "mlflow.note.content": "about"})
    gone = client.create_experiment("gone")
    runs = []
    for number in range(count):
        tags = {"mlflow.user": "bob", "mlflow.note.content": f"note {number}"}
        if runs:
            tags["mlflow.parentRunId"] = runs[0]
        run = client.create_run(first, START + number, tags, run_name=f"run {number} ü").info.run_id
        runs.append(run)
        metrics = [
            Metric(f"m/{key}", number + step / (key + 1), START + step, step)
            for key in range(5)
            for step in range(100)
        ]
        params = [Param(f"p{key}", f"{number * key}") for key in range(10)]
        client.log_batch(run, metrics, params, [RunTag("line", "a\nb")])
        status = ("FINISHED", "FAILED", "KILLED")[number % 3]
        if number:
            client.set_terminated(run, status, START + 1000)
    for step, value in enumerate(ODD):
        client.log_metric(runs[0], "odd", value, START - step, -step)
    client.log_text(runs[0], "hello", "deep/er/a b.txt")
    client.log_text(runs[0], "x" * 5000, "ü.md")
    dataset = Dataset("data", "d1", "local", '{"uri": "/x"}', '{"a": 1}', '{"n": 2}')
    tags = [InputTag("mlflow.data.context", "train"), InputTag("k", "v")]
    client.log_inputs(runs[0], [DatasetInput(dataset, tags)])
    client.delete_run(runs[1])
    client.create_run(gone)
    client.delete_experiment(gone)
    register(runs[0])


def register(run: str) -> None:
    client.create_registered_model("model", {"a": "b"}, "a model")
    source = client.get_run(run).info.artifact_uri + "/deep"
    client.create_model_version("model", source, run, {"c": "d"}, description="one")
    client.create_model_version("model", "s3://elsewhere/x", run)
    client.set_registered_model_alias("model", "champion", 1)


def told() -> dict[str, object]:
    found = {}
    for experiment in client.search_experiments(ViewType.ALL):
        runs = {}
        for run in client.search_runs([experiment.experiment_id], "", ViewType.ALL, 50_000):
            runs[run.info.run_id] = {
                "name": run.info.run_name,
                "status": run.info.status,
                "start": run.info.start_time,
                "end": run.info.end_time,
                "deleted": run.info.lifecycle_stage == "deleted",
                "params": run.data.params,
                "tags": run.data.tags,
                "datasets": [one.dataset.digest for one in run.inputs.dataset_inputs],
                "metrics": {
                    name: sorted(
                        [point.step, point.timestamp, repr(point.value)]
                        for point in client.get_metric_history(run.info.run_id, name)
                    )
                    for name in run.data.metrics
                },
                "latest": {name: repr(value) for name, value in run.data.metrics.items()},
            }
        found[experiment.name] = {
            "runs": runs,
            "tags": experiment.tags,
            "deleted": experiment.lifecycle_stage == "deleted",
        }
    return found


make()
sys.stdout.write(json.dumps(told()))
