"""Deployments on Kubernetes, with a mock of its API and processes in place of containers."""

from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Workspace
from tests.endpoints.conformance import DeploymentContract, Place
from tests.endpoints.kubernetes.nodes import Nodes


def processes(nodes: Nodes) -> list[psutil.Process]:
    found = []
    for pod in nodes.all_pods():
        if pod.process is not None and pod.process.poll() is None:
            found.append(psutil.Process(pod.process.pid))
    return found


class TestKubernetes(DeploymentContract):
    @pytest.fixture
    def place(self, ws: Workspace, tmp_path: Path, nodes: Nodes, pods: str) -> Place:
        return Place(
            ws, pods, tmp_path, replicas=lambda: processes(nodes), leftovers=nodes.leftovers
        )
