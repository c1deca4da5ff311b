"""Nodes that do not see the workspace's folder: their runners reach it over the network."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from tests.compute.conformance import RunContract, Target
from tests.conftest import end_agents, end_work
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.conftest import TARGET


@pytest.fixture
def far(slurm: Cluster, tmp_path: Path) -> Iterator[Target]:
    """A workspace that no node sees; its log and its code are elsewhere."""
    ws = Workspace.create("far", slurm.private / tmp_path.name)
    settings = {"config": str(slurm.conf), "poll_seconds": 0.2, "shared_folder": False}
    settings["logs"] = str(tmp_path)
    attach = AttachCompute(TARGET, "slurm", settings, workspace_url="auto", unchecked=True)
    ws.connection.computes.attach(attach)
    yield Target(ws, TARGET, unknown="999999", cut_network=slurm.host.cut_off)
    slurm.start_what_is_missing()
    end_work(ws)
    slurm.restore()
    end_agents(Path(ws.location))


def test_a_run_there_completes_with_its_log_and_outputs(far: Target, tmp_path: Path) -> None:
    RunContract().test_a_run_completes_with_its_log_and_outputs(far, tmp_path)


def test_a_network_that_is_cut_loses_nothing(far: Target, tmp_path: Path) -> None:
    RunContract().test_a_cut_network_loses_nothing(far, tmp_path)
