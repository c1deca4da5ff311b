"""Run by an interpreter that has MLflow; says on its last line what it found, as JSON."""

import json
import math
import sys
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

found: dict[str, Any] = {"errors": []}
client = MlflowClient()
experiment = mlflow.set_experiment("by-client")


def refused(call: Any, *arguments: Any) -> None:
    try:
        call(*arguments)
    except MlflowException as error:
        found["errors"].append(error.error_code)


with mlflow.start_run(run_name="hello") as run:
    mlflow.log_param("lr", 0.1)
    for step in range(3):
        mlflow.log_metric("loss", 1 / 2**step, step=step)
    mlflow.log_metrics({"inf": math.inf, "nan": math.nan})
    mlflow.set_tag("x", "y")
    mlflow.log_text("hi there", "dir/a.txt")
    mlflow.log_dict({"a": 1}, "d.json")
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    mlflow.log_input(from_pandas(frame, name="d"), context="train")
    with mlflow.start_run(nested=True) as child:
        mlflow.log_metric("c", 1)
found["run"], found["child"] = run.info.run_id, child.info.run_id

try:
    with mlflow.start_run() as failing:
        found["failed"] = failing.info.run_id
        raise RuntimeError("on purpose")
except RuntimeError:
    pass

history = client.get_metric_history(run.info.run_id, "loss")
found["history"] = [[metric.step, metric.value] for metric in history]
found["artifacts"] = [file.path for file in client.list_artifacts(run.info.run_id)]
found["text"] = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/dir/a.txt")
searched = client.search_runs([experiment.experiment_id], "params.lr = '0.1'")
found["searched"] = [one.info.run_id for one in searched]
runs = mlflow.search_runs(filter_string="metrics.loss < 1")
found["frame"] = list(runs["tags.mlflow.runName"])
inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
found["datasets"] = [[one.dataset.name, one.tags[0].value] for one in inputs]

x = np.array([[0.0], [1.0], [9.0], [10.0]])
with mlflow.start_run() as training:
    model = LogisticRegression().fit(x, [0, 0, 1, 1])
    logged = mlflow.sklearn.log_model(model, name="model", registered_model_name="rmn")
names = [logged.model_uri, "models:/rmn/1", f"runs:/{training.info.run_id}/model"]
found["predictions"] = [
    [float(one) for one in mlflow.pyfunc.load_model(name).predict(x[[0, 3]])] for name in names
]
models = mlflow.search_logged_models([experiment.experiment_id], output_format="list")
found["logged_models"] = [one.name for one in models]

refused(client.get_run, "0" * 32)
refused(client.create_experiment, "by-client")
refused(client.log_param, run.info.run_id, "lr", 0.2)
refused(client.search_runs, ["0"], "nonsense")

client.delete_run(child.info.run_id)
stages = [client.get_run(child.info.run_id).info.lifecycle_stage]
client.restore_run(child.info.run_id)
found["deleted"] = [*stages, client.get_run(child.info.run_id).info.lifecycle_stage]
sys.stdout.write(json.dumps(found) + "\n")
