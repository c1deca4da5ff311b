"""Reads folders that models were written into, by MLflow and by our own reader, and says what each
answers to the example. `python load.py FOLDER LIBRARY…`"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["KERAS_BACKEND"] = "torch"

import mlflow.models
import mlflow.pyfunc
import numpy as np

from ml_workspace_lab.models.flavors import loading
from tests.models.flavors.made import rows_of


def loaded(library: str) -> Any:
    folder, rows = str(root / library), rows_of(library)
    theirs = mlflow.pyfunc.load_model(folder)
    ours = loading.load(Path(folder))
    example = mlflow.models.Model.load(folder).load_input_example(folder)
    return {
        "theirs": np.asarray(theirs.predict(rows), float).ravel().tolist(),
        "ours": np.asarray(ours.predict(rows), float).ravel().tolist(),
        "example": np.asarray(example).tolist(),
        "columns": [ours.names, ours.count],
        "signature": str(theirs.metadata.signature.inputs),
    }


root = Path(sys.argv[1])
found = {library: loaded(library) for library in sys.argv[2:]}
(root / "loaded.json").write_text(json.dumps(found))
