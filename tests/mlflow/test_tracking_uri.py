"""`mlflow.set_tracking_uri(ws.get_mlflow_tracking_uri())` with MLflow's own client, and nothing
else, wherever the workspace is."""

import os
import subprocess
from pathlib import Path

import msgspec

import ml_workspace_lab
from ml_workspace_lab import Workspace
from ml_workspace_lab.access.model import CreateToken
from tests.conftest import Server
from tests.mlflow.conformance.conftest import MLFLOW, serving

OURS = [str(Path(package.__file__).parents[1]) for package in (ml_workspace_lab, msgspec)]
SCRIPT = """
import mlflow
from ml_workspace_lab import Workspace
ws = Workspace.from_config()
mlflow.set_tracking_uri(ws.get_mlflow_tracking_uri())
mlflow.set_experiment("by-uri")
with mlflow.start_run() as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_metric("loss", 0.5)
    mlflow.log_text("hi", "a.txt")
assert ws.run(run.info.run_id).get_metrics() == {"loss": 0.5}
ours = ws.experiment("by-uri").start_logging()
ours.log("ours", 1.5)
ours.complete()
assert mlflow.get_run(ours.id).data.metrics == {"ours": 1.5}
print(run.info.run_id)
"""


def log_by_client(folder: Path, **environment: str) -> str:
    """What a user's process in `folder` does; the id of the client's run. The package and what it
    needs come after MLflow's own environment, in this process and in those that it starts."""
    (folder / "sitecustomize.py").write_text(f"import sys; sys.path += {OURS}")
    done = subprocess.run(
        [MLFLOW.with_name("python"), "-c", SCRIPT],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "ML_WORKSPACE_SERVER_IDLE_SECONDS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def check(workspace: Workspace, run_id: str) -> None:
    info = workspace.run(run_id).info()
    assert (info.experiment, info.state, info.params) == ("by-uri", "Completed", {"lr": "0.1"})
    assert workspace.connection.artifacts.get(run_id, "a.txt").read() == b"hi"


def test_a_workspace_in_a_folder(ws: Workspace, tmp_path: Path) -> None:
    check(ws, log_by_client(tmp_path, ML_WORKSPACE=ws.location))


def test_a_workspace_on_a_server_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path) as (target, _):
        token = target.headers["Authorization"].removeprefix("Bearer ")
        run_id = log_by_client(tmp_path, ML_WORKSPACE=target.url, ML_WORKSPACE_TOKEN=token)
        check(Workspace.open(tmp_path / "store"), run_id)


def test_a_workspace_in_a_jupyter_server(server: Server, tmp_path: Path) -> None:
    token = server.local.connection.tokens.create(CreateToken("client", ["*"])).token
    url = server.url.rstrip("/")
    check(server.local, log_by_client(tmp_path, ML_WORKSPACE=url, ML_WORKSPACE_TOKEN=token))
