"""Small models with scoring scripts, and plain HTTP requests to what serves them."""

import json
from pathlib import Path
from typing import Any

import psutil

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.client.model import Model
from tests import http
from tests.conftest import arguments_of, eventually, of_workspace
from tests.http import Answer

# With a `gate` it says that it has begun, then answers when that file is there.
SCALE = """
import json, os, time
from pathlib import Path

def init():
    global factor
    factor = float((Path(os.environ["AZUREML_MODEL_DIR"]) / "factor.txt").read_text())

def run(data):
    request = json.loads(data)
    if "gate" in request:
        gate = Path(request["gate"])
        gate.with_suffix(".begun").touch()
        while not gate.exists():
            time.sleep(0.01)
    return {"y": factor * request["x"], "pid": os.getpid()}
"""


class Gate:
    """Holds a request in the middle of its scoring."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "gate"
        self.body = json.dumps({"x": 1, "gate": str(self._path)})

    def wait_until_begun(self) -> None:
        eventually(self._path.with_suffix(".begun").exists, what="the script works on it")

    def open(self) -> None:
        self._path.touch()


def request(method: str, url: str, body: bytes | str | None = None, **headers: str) -> Answer:
    """One request; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.request(method, url, body, named)


def score(endpoint: Endpoint, body: bytes | str, key: str | None = None, **headers: str) -> Answer:
    """POST a body as JSON with a key, by default the primary one."""
    assert endpoint.keys is not None
    bearer = f"Bearer {key or endpoint.keys.primary}"
    headers = {"Content_Type": "application/json", **headers}
    return request("POST", endpoint.scoring_uri, body, Authorization=bearer, **headers)


def scale_model(ws: Workspace, folder: Path, factor: float) -> Model:
    """A model of one number."""
    path = folder / "factor.txt"
    path.write_text(str(factor))
    return Model.register(ws, "scale", path)


def script(folder: Path, text: str = SCALE) -> Path:
    path = folder / "score.py"
    path.write_text(text)
    return path


def scale_endpoint(ws: Workspace, folder: Path, factor: float = 2, **options: Any) -> Endpoint:
    """An endpoint that answers with `factor` times the number in its body's `x`."""
    model = scale_model(ws, folder, factor)
    return Endpoint.deploy(ws, "scale", model, scoring_script=script(folder), **options)


def scoring(root: Path) -> list[psutil.Process]:
    """The scoring processes of the workspace in `root`."""
    return [
        p for p in of_workspace(root) if "ml_workspace_lab.endpoints.scoring" in arguments_of(p)
    ]
