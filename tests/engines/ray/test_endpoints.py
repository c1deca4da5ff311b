"""Deployments of endpoints on a real Ray Serve."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from tests.conftest import end_agents, eventually
from tests.endpoints.conformance import DeploymentContract, Place
from tests.engines.ray.cluster import RAY, Cluster

TARGET = "rays"


@pytest.fixture
def place(ws: Workspace, cluster: Cluster, token_file: Path, tmp_path: Path) -> Iterator[Place]:
    settings = {
        "address": cluster.url,
        "token_file": str(token_file),
        "endpoints": {"python": str(RAY.with_name("python"))},
    }
    ws.connection.computes.attach(AttachCompute(TARGET, "ray", settings))
    yield Place(ws, TARGET, tmp_path, cluster.scoring_processes, cluster.serve_leftovers)
    for endpoint in ws.endpoints.values():
        endpoint.delete()
    eventually(lambda: not cluster.serve_leftovers(), 120, "nothing is left of endpoints")
    end_agents(Path(ws.location))


class TestRay(DeploymentContract):
    @pytest.fixture
    def place(self, place: Place) -> Place:
        return place
