"""What users of stock clients do, from one end to the other."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.webhooks.model import AllowedNetworks
from tests.conftest import eventually
from tests.mlflow.conformance.conftest import serving
from tests.mlflow.conformance.target import Target
from tests.webhooks.test_webhooks import Receiver
from tests.webhooks.test_webhooks import receiver as receiver

BUILD = Path(__file__).parents[2] / "build"
CLIENTS = {"newest": BUILD / "mlflow", "oldest": BUILD / "autolog" / "oldest"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def ours(folder: Path) -> Iterator[Target]:
    with serving(folder) as (target, _):
        yield target


def run(target: Target, name: str, folder: Path, client: str = "newest", **more: str) -> None:
    """Do what `flows.py` does under that name. Fails the test where a client is not content."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MLFLOW_TRACKING_URI": target.url,
        "MLFLOW_TRACKING_TOKEN": target.headers["Authorization"].removeprefix("Bearer "),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        **more,
    }
    python = CLIENTS[client] / "bin" / "python"
    assert python.exists(), "a client is missing: run scripts/install_mlflow, install_autolog"
    script = Path(__file__).with_name("flows.py")
    done = subprocess.run(
        [python, script, name],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("client", list(CLIENTS))
def test_models_are_registered_loaded_and_copied(ours: Target, folder: Path, client: str) -> None:
    run(ours, "registry", folder, client)
    workspace = Workspace.open(folder / "store")
    (version,) = workspace.connection.models.versions("twice").items
    assert (version.version, version.description, version.tags) == (2, "words", {"k": "v"})
    assert "MLmodel" in [file.path for file in version.files]


def test_prompts_are_kept_beside_the_models(ours: Target, folder: Path) -> None:
    run(ours, "prompts", folder)
    assert Workspace.open(folder / "store").models == {}


def test_traces_are_told_of_and_assessed(ours: Target, folder: Path) -> None:
    run(ours, "traces", folder)


def test_issues_are_written_down_and_solved(ours: Target, folder: Path) -> None:
    run(ours, "issues", folder)


def test_applications_are_evaluated_with_datasets_and_scorers(ours: Target, folder: Path) -> None:
    run(ours, "evaluation", folder)


def test_a_large_file_goes_in_parts(ours: Target, folder: Path) -> None:
    sizes = {"MINIMUM_FILE_SIZE": "6000000", "CHUNK_SIZE": "5242880"}
    run(ours, "parts", folder, **{f"MLFLOW_MULTIPART_UPLOAD_{k}": v for k, v in sizes.items()})
    (done,) = (folder / "store" / "uploads").glob("*/done.json")
    assert done.read_bytes().count(b"[") == 3


def test_webhooks_are_told_by_the_background_process(
    ours: Target, folder: Path, receiver: Receiver
) -> None:
    workspace = Workspace.open(folder / "store")
    workspace.connection.webhooks.allow(AllowedNetworks(["127.0.0.1/32"]))
    run(ours, "webhooks", folder, RECEIVER=receiver.url)
    eventually(lambda: len(receiver.told) == 2, what="the trial and the new model are told of")
    assert receiver.bodies[1]["data"]["name"] == "told"
    assert "X-MLflow-Signature" in receiver.told[1][0]
