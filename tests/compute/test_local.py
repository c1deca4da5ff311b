"""The driver `local` keeps the contracts."""

import pytest

from ml_workspace_lab import Workspace
from tests.compute.conformance import CrashContract, DriverContract, RunContract, Target


class TestLocal(DriverContract, RunContract, CrashContract):
    @pytest.fixture
    def target(self, ws: Workspace) -> Target:
        return Target(ws, "local", unknown="4194304:0.00")
