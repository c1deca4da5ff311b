"""A folder that was copied in the middle of work: the copy is a workspace of its own."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Workspace
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import end_agents, eventually


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """Where the copy is made; nothing of it goes on afterwards."""
    yield tmp_path / "copy"
    end_agents(tmp_path / "copy")


def test_runs_end_in_a_copy_and_go_on_in_the_original(
    ws: Workspace, tmp_path: Path, copy: Path
) -> None:
    (tmp_path / "code").mkdir()
    code = f"touch {tmp_path}/begun; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    job = ws.experiment("e").submit(CommandConfig(tmp_path / "code", ["sh", "-c", code]))
    eventually((tmp_path / "begun").exists, 60)
    live = ws.experiment("e").start_logging()
    live.log("m", 1)
    live.get_metrics()
    subprocess.run(["cp", "-a", ws.location, str(copy)], check=True)

    other = Workspace.open(copy)
    wake(copy)
    eventually(lambda: not other.runs(active=True), 60, "both have an end in the copy")
    assert {run.get_status() for run in other.runs()} == {RunState.FAILED}
    assert other.run(live.id).get_metrics() == {"m": 1.0}
    eventually(lambda: not other.compute_targets["local"].get_active_runs(), 60)

    assert job.get_status() is RunState.RUNNING
    live.log("m", 2)
    live.complete()
    (tmp_path / "go").touch()
    assert job.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED
    assert live.get_metrics() == {"m": [1.0, 2.0]}
