"""Workspaces that have the tests' cluster as a compute target."""

from collections.abc import Iterator

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from tests.conftest import end_work
from tests.engines.slurm.cluster import Cluster

TARGET = "cluster"


@pytest.fixture
def lab(ws: Workspace, slurm: Cluster) -> Iterator[Workspace]:
    """A workspace in a folder that all nodes see, whose target `cluster` is Slurm."""
    settings = {"config": str(slurm.conf), "poll_seconds": 0.2}
    ws.connection.computes.attach(AttachCompute(TARGET, "slurm", settings, unchecked=True))
    yield ws
    slurm.start_what_is_missing()
    end_work(ws)
    slurm.restore()
