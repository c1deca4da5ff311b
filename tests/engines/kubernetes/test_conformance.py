"""The driver `kubernetes` keeps the contracts. Runners in pods reach the workspace over HTTP."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings
from ml_workspace_lab.compute.model import AttachCompute
from tests.compute.conformance import CrashContract, DriverContract, RunContract, Target
from tests.conftest import end_agents, end_work
from tests.engines.kubernetes.controlplane import ControlPlane
from tests.faults.servers import Server

TARGET, UNKNOWN = "pods", "ws-unknown-a1"
SECONDS, CROWD = 60, 30


def attach(ws: Workspace, settings: KubernetesSettings, url: str | None = None) -> None:
    told = {
        "image": settings.image,
        "kubeconfig": settings.kubeconfig,
        "python": sys.executable,
        "poll_seconds": settings.poll_seconds,
    }
    ws.connection.computes.attach(AttachCompute(TARGET, "kubernetes", told, workspace_url=url))


class TestDriver(DriverContract):
    @pytest.fixture
    def target(
        self, ws: Workspace, plane: ControlPlane, settings: KubernetesSettings
    ) -> Iterator[Target]:
        attach(ws, settings)
        yield Target(ws, TARGET, UNKNOWN, seconds=SECONDS, crowd=CROWD, ends_strays=False)
        plane.wait_until_idle()


class TestRuns(RunContract, CrashContract):
    @pytest.fixture
    def target(
        self, ws: Workspace, plane: ControlPlane, settings: KubernetesSettings
    ) -> Iterator[Target]:
        def kill_node(run_id: str) -> None:
            node = plane.node_of(run_id)
            plane.kill_node(node)
            plane.start_node(node)

        server = Server(Path(ws.location))
        attach(ws, settings, server.url)
        yield Target(ws, TARGET, UNKNOWN, kill_node, seconds=SECONDS, crowd=CROWD)
        end_work(ws)
        plane.wait_until_idle()
        end_agents(Path(ws.location))
        server.kill()
