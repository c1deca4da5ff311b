"""A protocol of a few routes in the place of MLflow's, and `ml-workspace` with it.

`python -m tests.server.tiny serve …`
"""

import io
import json
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import InvalidInput, WorkspaceError
from ml_workspace_lab.mlflow.wire import Request, Response, Route
from ml_workspace_lab.workspace.model import WorkspaceInfo

BYTES = bytes(range(256)) * 8192


def echo(request: Request) -> Response:
    body = request.body.read()
    return _json(path=request.path, query=request.query, length=len(body), kind=_kind(request))


def whoami(request: Request) -> Response:
    found: WorkspaceInfo = request.connection.workspaces.get()
    return _json(name=found.name)


def audit(request: Request) -> Response:
    return _json(entries=len(request.connection.audit.list().items))


def refuse(_: Request) -> Response:
    raise InvalidInput("It is wrong.", field="it")


def fail(_: Request) -> Response:
    raise RuntimeError("secret of the inside")


def slow(request: Request) -> Response:
    """Answers once the file named is there."""
    Path(request.query["begun"][0]).touch()
    while not Path(request.query["go"][0]).exists():
        time.sleep(0.01)
    return _json(done=True)


def download(_: Request) -> Response:
    content = Content(io.BytesIO(BYTES), len(BYTES), "text/html", "a b.html")
    return Response(headers={"Content-Type": "text/plain"}, body=content)


def empty(_: Request) -> Response:
    return Response(body=Content(io.BytesIO(), 0, "text/plain", "empty"))


def error_response(error: WorkspaceError, request_id: str) -> Response:
    name = f"TINY_{error.error_code.upper()}"
    body = {"error_code": name, "message": error.message, "id": request_id}
    return Response(error.status, {}, json.dumps(body).encode())


def _json(**values: object) -> Response:
    return Response(body=json.dumps(values).encode())


def _kind(request: Request) -> str | None:
    return request.headers.get("content-type")


routes = [
    Route("POST", r"/api/2\.0/mlflow/echo", echo, limit=1000, inline=True),
    Route("PUT", r"/api/2\.0/mlflow/echo", echo, limit=10_000_000),
    Route("GET", r"/api/2\.0/mlflow-artifacts/(?P<path>.+)", echo),
    Route("GET", "/api/2.0/mlflow/whoami", whoami),
    Route("GET", "/api/2.0/mlflow/audit", audit),
    Route("GET", "/refuse", refuse),
    Route("GET", "/fail", fail, inline=True),
    Route("GET", "/slow", slow),
    Route("GET", "/get-artifact", download),
    Route("GET", "/empty", empty),
    Route("GET", "/health", lambda _: Response(headers={"Content-Type": "text/plain"}, body=b"OK"),
          inline=True, public=True),
    Route("GET", "/public-whoami", whoami, public=True),
]  # fmt: skip


def install() -> None:
    module = ModuleType("ml_workspace_lab.mlflow.routes")
    module.__spec__ = ModuleSpec(module.__name__, None)
    vars(module).update(routes=routes, error_response=error_response)
    sys.modules[module.__name__] = module


if __name__ == "__main__":
    install()
    from ml_workspace_lab.cli.main import main

    main()
