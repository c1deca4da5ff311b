"""One Ray for all tests of this folder, which run one after the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from ml_workspace_lab.compute.ray.driver import RayDriver
from ml_workspace_lab.compute.ray.settings import RaySettings
from tests.compute.conformance import Target
from tests.conftest import end_agents, end_work
from tests.engines.history import History, recording
from tests.engines.lan import why_there_are_no_hosts
from tests.engines.ray.cluster import RAY, TOKEN, Cluster
from tests.faults.servers import Server

TARGET, UNKNOWN = "rays", "ws-unknown-a1"
SECONDS, CROWD = 120, 10
"""Ray takes two seconds of a core to begin a job."""


def attach(ws: Workspace, cluster: Cluster, token: Path, url: str | None = None) -> None:
    settings = {"address": cluster.url, "token_file": str(token), "poll_seconds": 0.2}
    ws.connection.computes.attach(AttachCompute(TARGET, "ray", settings, workspace_url=url))


@pytest.fixture(scope="session")
def shared() -> Iterator[Cluster]:
    if not RAY.exists():
        pytest.skip("Ray is not installed: scripts/install_ray")
    if reason := why_there_are_no_hosts():
        pytest.skip(reason)
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
        hosts = [Path("/run/netns", host.name) for host in (cluster.head, cluster.worker)]
    finally:
        cluster.stop()
    assert not any(host.exists() for host in hosts)
    assert not cluster.folder.exists()


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    """The one of all tests: whole, whatever the test before has left of it."""
    shared.restore()
    return shared


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """The cluster's token, as an owner has it."""
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    return token


@pytest.fixture
def driver(cluster: Cluster, token_file: Path, tmp_path: Path) -> RayDriver:
    return RayDriver(
        "lab", RaySettings(cluster.url, token_file=str(token_file), poll_seconds=0.2), tmp_path
    )


@pytest.fixture
def history(cluster: Cluster) -> Iterator[History]:
    """Nothing of a test's runs is left on the worker when it ends."""
    with recording(cluster.lan.gateway) as history:
        yield history
        for run_id, _ in history.events:
            history.tell(run_id, "exit 0")
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
