"""One Ray for all tests of this folder, which run one after the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab.compute.ray.driver import RayDriver
from ml_workspace_lab.compute.ray.settings import RaySettings
from tests.engines.history import History, recording
from tests.engines.lan import why_there_are_no_hosts
from tests.engines.ray.cluster import RAY, TOKEN, Cluster


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
