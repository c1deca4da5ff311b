"""The scoring script of Azure's inference server."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy


def init() -> None:
    global model
    model = pickle.loads(Path(os.environ["MODEL"]).read_bytes())


def run(data: str) -> Any:
    return model.predict(numpy.asarray(json.loads(data)["data"])).tolist()
