"""A target whose machines reach the workspace over HTTP alone keeps the contract of runs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from tests.compute.conformance import RunContract, Target
from tests.conftest import end_agents
from tests.faults.servers import Server
from tests.jobs.runner.lines import CutLine

DRIVER = """
from ml_workspace_lab.compute.local import LocalDriver

class Far(LocalDriver):
    @property
    def capabilities(self):
        return super().capabilities - {"shared_fs"}
"""


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package with processes of this machine that do not see the folder."""
    package = tmp_path / "package"
    info = package / "far-1.dist-info"
    info.mkdir(parents=True)
    (package / "far_driver.py").write_text(DRIVER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: far\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ml_workspace_lab.compute]\nfar = far_driver:Far\n")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package), before]))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(package)
    return "far"


class TestFar(RunContract):
    @pytest.fixture
    def target(self, ws: Workspace, kind: str) -> Iterator[Target]:
        server = Server(Path(ws.location))
        try:
            line = CutLine(server.port)
            body = AttachCompute("moon", kind, workspace_url=line.url, unchecked=True)
            ws.connection.computes.attach(body)
            yield Target(ws, "moon", unknown="4194304:0.00", cut_network=line.cut, crowd=10)
        finally:
            end_agents(Path(ws.location))
            server.kill()
