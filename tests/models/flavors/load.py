"""Reads a folder that a model was written into, by MLflow and by our own reader, and says what each
answers to the example. `python load.py FOLDER`"""

import json
import os
import sys
from pathlib import Path

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["KERAS_BACKEND"] = "torch"

import mlflow.models
import mlflow.pyfunc
import numpy as np

from ml_workspace_lab.models.flavors import loading
from tests.models.flavors.made import ROWS

theirs = mlflow.pyfunc.load_model(sys.argv[1])
ours = loading.load(Path(sys.argv[1]))
found = {
    "theirs": np.asarray(theirs.predict(ROWS), float).ravel().tolist(),
    "ours": np.asarray(ours.predict(ROWS), float).ravel().tolist(),
    "example": mlflow.models.Model.load(sys.argv[1]).load_input_example(sys.argv[1]).tolist(),
    "columns": [ours.names, ours.count],
    "signature": str(theirs.metadata.signature.inputs),
}
Path(sys.argv[1], "..", "loaded.json").write_text(json.dumps(found))
