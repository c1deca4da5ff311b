"""The driver `ray` keeps the contracts. Its worker reaches this machine, and by that the workspace,
over a network alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from tests.compute.conformance import CrashContract, DriverContract, RunContract, Target
from tests.conftest import end_agents, end_work
from tests.engines.commands import walk
from tests.engines.ray.cluster import Cluster
from tests.faults.servers import Server

TARGET, UNKNOWN = "rays", "ws-unknown-a1"
SECONDS, CROWD = 120, 10
"""Ray takes two seconds of a core to begin a job."""


def attach(ws: Workspace, cluster: Cluster, token: Path, url: str | None = None) -> None:
    settings = {"address": cluster.url, "token_file": str(token), "poll_seconds": 0.2}
    ws.connection.computes.attach(AttachCompute(TARGET, "ray", settings, workspace_url=url))


class TestDriver(DriverContract):
    @pytest.fixture
    def target(self, ws: Workspace, cluster: Cluster, token_file: Path) -> Iterator[Target]:
        attach(ws, cluster, token_file)
        yield Target(ws, TARGET, UNKNOWN, seconds=SECONDS, crowd=CROWD, ends_strays=False)
        cluster.wait_until_idle()


@pytest.fixture
def runs_target(ws: Workspace, cluster: Cluster, token_file: Path) -> Iterator[Target]:
    """With a server that runners on the worker reach."""

    def kill_node(run_id: str) -> None:
        cluster.worker.end_processes()
        cluster.start_worker()

    server = Server(Path(ws.location), host=cluster.lan.gateway)
    attach(ws, cluster, token_file, server.url)
    yield Target(ws, TARGET, UNKNOWN, kill_node, cluster.worker.cut_off, SECONDS, CROWD)
    end_work(ws)
    cluster.wait_until_idle()
    end_agents(Path(ws.location))
    server.kill()


class TestRuns(RunContract, CrashContract):
    @pytest.fixture
    def target(self, runs_target: Target) -> Target:
        return runs_target


def test_the_command_line_is_enough(
    ws: Workspace, cluster: Cluster, token_file: Path, tmp_path: Path
) -> None:
    settings = ["--set", f"address={cluster.url}", "--set", f"token_file={token_file}"]
    walk(ws, tmp_path / "project", ["ray", *settings, "--workspace-url", "auto"])
    cluster.wait_until_idle()
