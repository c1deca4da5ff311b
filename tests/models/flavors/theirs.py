"""Writes models by MLflow, reads them by our own reader, and says what both answer.

`python theirs.py FOLDER`
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow.catboost
import mlflow.lightgbm
import mlflow.pyfunc
import mlflow.pytorch
import mlflow.sklearn
import mlflow.statsmodels
import mlflow.xgboost
import numpy as np
from mlflow.models import infer_signature

from ml_workspace_lab.models.flavors import loading
from tests.models.flavors import made


class Sum(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return np.asarray(model_input).sum(axis=1)


root = Path(sys.argv[1])
found = {}


def compare(name: str, model: Any, rows: Any = made.ROWS) -> None:
    answers = (loading.load(root / name).predict(rows), model.predict(rows))
    found[name] = [np.asarray(answer, float).ravel().tolist() for answer in answers]


linear = made.sklearn()
told = infer_signature(made.ROWS, linear.predict(made.ROWS))
for form in ("pickle", "cloudpickle", "skops"):
    mlflow.sklearn.save_model(linear, root / form, serialization_format=form, signature=told)
    compare(form, linear)
for library in ("xgboost", "lightgbm", "statsmodels"):
    model = getattr(made, library)()
    getattr(mlflow, library).save_model(model, root / library)
    compare(library, model)
catboost = made.catboost()
mlflow.catboost.save_model(catboost, root / "catboost")
compare("catboost", catboost)
torch_rows = made.rows_of("torch")
for form in ("pickle", "pt2"):
    mlflow.pytorch.save_model(
        made.torch().eval(), root / f"torch {form}", serialization_format=form,
        input_example=torch_rows,
    )  # fmt: skip
    compare(f"torch {form}", mlflow.pyfunc.load_model(str(root / f"torch {form}")), torch_rows)
mlflow.pyfunc.save_model(root / "python", python_model=Sum())
compare("python", mlflow.pyfunc.load_model(str(root / "python")))
(root / "found.json").write_text(json.dumps(found))
