"""Workspaces that have the tests' cluster as a compute target."""

from collections.abc import Iterator

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from tests.conftest import end_work
from tests.engines.lan import why_there_are_no_hosts
from tests.engines.slurm.cluster import Cluster, missing

TARGET = "cluster"


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """A cluster that all tests of this folder share."""
    if lacking := missing():
        pytest.skip(f"Slurm is not installed (scripts/install_slurm): {', '.join(lacking)}")
    if reason := why_there_are_no_hosts():
        pytest.skip(reason)
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def lab(ws: Workspace, slurm: Cluster) -> Iterator[Workspace]:
    """A workspace in a folder that all nodes see, whose target `cluster` is Slurm."""
    settings = {"config": str(slurm.conf), "poll_seconds": 0.2}
    ws.connection.computes.attach(AttachCompute(TARGET, "slurm", settings, unchecked=True))
    yield ws
    slurm.start_what_is_missing()
    end_work(ws)
    slurm.restore()
