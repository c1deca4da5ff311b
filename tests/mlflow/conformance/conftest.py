"""Both servers, each started once."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from tests.conftest import end_agents, end_server, eventually
from tests.http import request
from tests.mlflow.conformance.target import Target

MLFLOW = Path(__file__).parents[3] / "build" / "mlflow" / "bin" / "mlflow"


@pytest.fixture(scope="session", params=["theirs", "ours", "ours-postgresql"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "theirs":
        yield from real_mlflow(folder)
        return
    with ExitStack() as stack:
        database = None
        if request.param == "ours-postgresql":
            database = stack.enter_context(request.getfixturevalue("postgresql").schema())
        yield stack.enter_context(serving(folder, database))[0]


def real_mlflow(folder: Path) -> Iterator[Target]:
    assert MLFLOW.exists(), "a real MLflow is missing: run scripts/install_mlflow"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    words = [
        str(MLFLOW), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _answers(url), 120, "MLflow answers")
        yield Target(url, {}, ours=False)
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@contextmanager
def serving(
    folder: Path, database: str | None = None
) -> Iterator[tuple[Target, "subprocess.Popen[bytes]"]]:
    """Our server over the workspace in `folder`/store, a new one where there is none."""
    if not (folder / "store").exists():
        Workspace.create("lab", folder / "store", database=database)
    words = [
        sys.executable, "-m", "ml_workspace_lab.cli.main", "-o", "json",
        "serve", "--port", "0", "--workspace", str(folder / "store"),
    ]  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        yield Target(ready["url"].rstrip("/"), _bearer(ready["token"]), ours=True), process
    finally:
        end_server(process)
        process.stdout.close()
        end_agents(folder / "store")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _answers(url: str) -> bool:
    try:
        return request("GET", f"{url}/health", None, {}).status == 200
    except OSError:
        return False
