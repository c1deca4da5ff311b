"""The driver's side of the conversation over HTTP, with a mock of Kubernetes at the other end."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab.compute.driver import Handle, Phase
from ml_workspace_lab.compute.kubernetes.driver import KubernetesDriver
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings
from tests.compute.kubernetes.test_manifest import FULL, PLAIN, PYTHON

SERVER = Path(__file__).with_name("mock_server.py")
NODE = {
    "metadata": {"name": "n"},
    "status": {
        "allocatable": {"cpu": "2", "memory": "1Gi"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}


class Cluster:
    """The mock, and what others than the driver do there."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers)).close()

    def items(self, resource: str) -> list[Any]:
        path = f"{self.url}/api/v1/namespaces/default/{resource}"
        with urllib.request.urlopen(path) as answer:
            return list(json.load(answer)["items"])

    def add_pod(self, handle: Handle, phase: str, **status: Any) -> None:
        labels = {
            "app.kubernetes.io/managed-by": "ml-workspace-lab",
            "ml-workspace-lab/run": handle.run_id,
            "ml-workspace-lab/attempt": str(handle.attempt),
        }
        metadata = {"name": f"{handle.native_id}-x", "labels": labels}
        pod = {"metadata": metadata, "status": {"phase": phase, **status}}
        self.post("/api/v1/namespaces/default/pods", pod)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if not PYTHON.exists():
        pytest.skip("the mock is not installed: scripts/install_kubernetes_schemas")
    with subprocess.Popen(
        [PYTHON, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield Cluster(process.stdout.readline().strip().rstrip("/"))
        process.communicate()


@pytest.fixture
def driver(cluster: Cluster, tmp_path: Path) -> KubernetesDriver:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": cluster.url}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    settings = KubernetesSettings("i", kubeconfig=str(tmp_path / "config"), poll_seconds=0.1)
    return KubernetesDriver("lab", settings, tmp_path)


def test_an_attempt_is_handed_over_once_found_and_ended(
    driver: KubernetesDriver, cluster: Cluster
) -> None:
    assert driver.find(PLAIN.run_id, 1) is None
    handle = driver.submit(PLAIN)
    assert driver.submit(PLAIN) == handle == driver.find(PLAIN.run_id, 1)
    assert driver.probe([handle])[handle].phase is Phase.PENDING
    cluster.add_pod(handle, "Running")
    driver._listing.outdate()
    assert driver.probe([handle])[handle].phase is Phase.RUNNING
    driver.cancel(handle, grace_s=1, force=True)
    driver.cancel(handle, grace_s=1, force=True)
    assert driver.probe([handle])[handle].phase is Phase.ABSENT
    assert driver.find(PLAIN.run_id, 1) is None


def test_all_attempts_are_told_apart_in_one_look(
    driver: KubernetesDriver, cluster: Cluster
) -> None:
    launches = [replace(PLAIN, run_id=f"{n:032x}", attempt=n) for n in range(1, 21)]
    handles = [driver.submit(launch) for launch in launches]
    ended = {"name": "runner", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}
    for handle in handles[:10]:
        cluster.add_pod(handle, "Failed", containerStatuses=[ended])
    driver._listing.outdate()
    probes = driver.probe(handles)
    assert [probes[handle].exit_code for handle in handles] == [3] * 10 + [None] * 10
    assert {probes[handle].phase for handle in handles[10:]} == {Phase.PENDING}


def test_a_ticket_goes_into_a_secret_that_a_sweep_takes_away(
    driver: KubernetesDriver, cluster: Cluster
) -> None:
    handle = driver.submit(FULL)
    [secret] = cluster.items("secrets")
    assert secret["metadata"]["name"] == handle.native_id
    driver.submit(replace(FULL, environment={"ML_WORKSPACE_TICKET": "another"}))
    assert cluster.items("secrets") == [secret], "the Job is there, and has its ticket"
    driver.sweep(handle)
    driver.sweep(handle)
    assert cluster.items("secrets") == []


def test_the_cluster_is_checked_and_described(driver: KubernetesDriver, cluster: Cluster) -> None:
    cluster.post("/api/v1/nodes", NODE)
    assert driver.check() == []
    [node] = driver.capacity().nodes
    assert (node.name, node.state, node.cores, node.memory_bytes) == ("n", "Ready", 2, 2**30)
