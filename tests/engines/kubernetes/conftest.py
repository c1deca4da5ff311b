"""One control plane for all tests of this folder, which run one after the other."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab.compute.kubernetes.driver import KubernetesDriver
from ml_workspace_lab.compute.kubernetes.rights import manifests, serving_manifests
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings
from tests.engines.history import History, recording
from tests.engines.kubernetes.controlplane import USER, ControlPlane, programs


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    found = programs()
    if found is None:
        pytest.skip("Kubernetes' control plane is not built: scripts/build_kubernetes")
    if not all(map(shutil.which, ("etcd", "openssl", "setpriv"))):
        pytest.skip("a control plane needs etcd, openssl and setpriv")
    plane = ControlPlane(found)
    try:
        plane.start()
        grant(plane)
        yield plane
    finally:
        plane.stop()


def grant(plane: ControlPlane) -> None:
    """The rights of the documentation's Roles, and no others."""
    base = "/apis/rbac.authorization.k8s.io/v1"
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "workspace"}
    for manifest in (*manifests("default"), *serving_manifests("default")):
        kind = manifest["kind"]
        if kind == "ServiceAccount":
            continue
        if kind.endswith("Binding"):
            manifest["subjects"] = [user]
        where = "" if kind.startswith("Cluster") else "/namespaces/default"
        plane.ask("POST", f"{base}{where}/{kind.lower()}s", manifest)


@pytest.fixture
def settings(plane: ControlPlane) -> KubernetesSettings:
    return KubernetesSettings(
        "an/image:1",
        kubeconfig=str(plane.kubeconfig(USER, name="user")),
        python=shutil.which("python3") or "python3",
        poll_seconds=0.1,
    )


@pytest.fixture
def driver(settings: KubernetesSettings, tmp_path: Path) -> KubernetesDriver:
    return KubernetesDriver("lab", settings, tmp_path)


@pytest.fixture
def history(plane: ControlPlane) -> Iterator[History]:
    with recording("127.0.0.1") as history:
        yield history
        for run_id, _ in history.events:
            history.tell(run_id, "exit 0")
        plane.wait_until_idle()
