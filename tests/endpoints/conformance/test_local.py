"""Deployments on this machine."""

from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from tests.endpoints.conformance import DeploymentContract, Place
from tests.endpoints.support import scoring


class TestLocal(DeploymentContract):
    @pytest.fixture
    def place(self, ws: Workspace, tmp_path: Path) -> Place:
        root = Path(ws.location)
        folder = root / "endpoints"
        return Place(
            ws,
            "local",
            tmp_path,
            replicas=lambda: scoring(root),
            leftovers=lambda: [path.name for path in folder.iterdir()] if folder.exists() else [],
        )
