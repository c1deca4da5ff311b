"""Small models with scoring scripts, and plain HTTP requests to what serves them."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.client.model import Model
from tests.conftest import of_workspace

SCALE = """
import json, os, time
from pathlib import Path

def init():
    global factor
    factor = float((Path(os.environ["AZUREML_MODEL_DIR"]) / "factor.txt").read_text())

def run(data):
    request = json.loads(data)
    time.sleep(request.get("seconds", 0))
    return {"y": factor * request["x"], "pid": os.getpid()}
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


def request(method: str, url: str, body: bytes | str | None = None, **headers: str) -> Answer:
    """One request on a connection of its own; `_` in a header's name stands for `-`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())  # type: ignore[arg-type]
    finally:
        connection.close()


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
    return [p for p in of_workspace(root) if "ml_workspace_lab.endpoints.scoring" in p.cmdline()]
