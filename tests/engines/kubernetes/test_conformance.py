"""The driver keeps the contract of all drivers, on a real control plane."""

import sys

import msgspec
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings
from ml_workspace_lab.compute.model import AttachCompute
from tests.compute.conformance import DriverContract, RunContract, Target
from tests.engines.history import History


class TestKubernetes(DriverContract, RunContract):
    @pytest.fixture
    def target(self, ws: Workspace, settings: KubernetesSettings, history: History) -> Target:
        # Pods are processes of this machine here, and see its files without a volume.
        settings = msgspec.structs.replace(settings, python=sys.executable)
        body = AttachCompute("pods", "kubernetes", settings=msgspec.to_builtins(settings))
        ws.connection.computes.attach(body)
        return Target(ws, "pods", unknown="ws-unknown-a1")
