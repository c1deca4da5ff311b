"""MLflow's own client, unchanged, against our server: what users do with it."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from tests.mlflow.conformance.conftest import MLFLOW, serving

SCRIPT = Path(__file__).with_name("client_script.py")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Workspace]]:
    """What the client's script found, and the workspace that it worked with."""
    assert MLFLOW.exists(), "a real MLflow is missing: run scripts/install_mlflow"
    folder = tmp_path_factory.mktemp("client")
    with serving(folder) as (target, _):
        environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": target.url,
            "MLFLOW_TRACKING_TOKEN": target.headers["Authorization"].removeprefix("Bearer "),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        }
        done = subprocess.run(
            [MLFLOW.with_name("python"), SCRIPT],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout.splitlines()[-1]), Workspace.open(folder / "store")


def test_a_run_and_its_child_are_kept(told: tuple[dict[str, Any], Workspace]) -> None:
    found, workspace = told
    info = workspace.connection.runs.get(found["run"])
    assert (info.display_name, info.state, info.experiment) == ("hello", "Completed", "by-client")
    assert info.params == {"lr": "0.1"}
    assert info.tags["x"] == "y"
    metrics = workspace.run(found["run"]).get_metrics()
    assert metrics["loss"] == [1.0, 0.5, 0.25]
    assert metrics["inf"] == float("inf")
    assert metrics["nan"] != metrics["nan"]
    assert workspace.connection.runs.get(found["child"]).parent == found["run"]


def test_the_client_reads_what_it_wrote(told: tuple[dict[str, Any], Workspace]) -> None:
    found, _ = told
    assert found["history"] == [[0, 1.0], [1, 0.5], [2, 0.25]]
    assert found["artifacts"] == ["d.json", "dir"]
    assert found["text"] == "hi there"
    assert found["searched"] == [found["run"]]
    assert found["frame"] == ["hello"]
    assert found["datasets"] == [["d", "train"]]


def test_a_failed_run_is_told_as_failed(told: tuple[dict[str, Any], Workspace]) -> None:
    found, workspace = told
    assert workspace.connection.runs.get(found["failed"]).state == "Failed"


def test_a_model_is_logged_and_loaded_by_every_name(
    told: tuple[dict[str, Any], Workspace],
) -> None:
    found, _ = told
    assert found["predictions"] == [[0.0, 1.0]] * 3
    assert found["logged_models"] == ["model"]


def test_errors_are_those_that_the_client_knows(told: tuple[dict[str, Any], Workspace]) -> None:
    assert told[0]["errors"] == [
        "RESOURCE_DOES_NOT_EXIST",
        "RESOURCE_ALREADY_EXISTS",
        "INVALID_PARAMETER_VALUE",
        "INVALID_PARAMETER_VALUE",
    ]


def test_a_run_goes_to_the_trash_and_comes_back(told: tuple[dict[str, Any], Workspace]) -> None:
    found, _ = told
    assert found["deleted"] == ["deleted", "active"]
