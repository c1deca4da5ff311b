"""Reads by MLflow what we wrote of an ONNX graph, and writes that graph by MLflow.

`python graphs.py FOLDER`: `ours` is a folder of ours, `rows.json` what it is asked.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import mlflow.onnx
import mlflow.pyfunc
import numpy as np

root = Path(sys.argv[1])
rows = np.asarray(json.loads((root / "rows.json").read_text()), "f4")


def answers(folder: Path) -> Any:
    found = mlflow.pyfunc.load_model(str(folder)).predict(rows)
    first = next(iter(found.values())) if isinstance(found, dict) else found
    return np.asarray(first).ravel().tolist()


mlflow.onnx.save_model(mlflow.onnx.load_model(str(root / "ours")), str(root / "theirs"))
told = {name: answers(root / name) for name in ("ours", "theirs")}
(root / "answers.json").write_text(json.dumps(told))
