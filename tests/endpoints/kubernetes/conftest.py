"""A mock of a cluster's API, with nodes that run processes, and a registry that they pull from."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from ml_workspace_lab.models.packages import interpreters, layouts
from ml_workspace_lab.models.packages.images import Config, Image, RootFs, hex_of
from ml_workspace_lab.models.packages.layers import of_bytes, write_layer
from tests.compute.kubernetes.test_contract import SERVER
from tests.compute.kubernetes.test_manifest import PYTHON
from tests.endpoints.kubernetes.nodes import Nodes
from tests.models.packages import registry
from tests.waiting import eventually


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry.running(tmp_path_factory.mktemp("registry") / "images") as host:
        yield host


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image to lie on, of nothing: pods have this machine's interpreter."""
    folder = tmp_path_factory.mktemp("base")
    with (folder / "layer").open("wb") as target:
        layer = write_layer([of_bytes("etc/base", b"")], target, "nothing")
    (folder / "layer").rename(folder / hex_of(layer.descriptor))
    here = interpreters.platform_here()
    config = Config(here.architecture, here.os, RootFs("layers", [layer.diff_id]))
    image = Image.make(
        config, [layer.descriptor], {}, lambda one: (folder / hex_of(one)).open("rb")
    )
    layouts.write(image, folder / "image")
    return folder / "image"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    if not PYTHON.exists():
        pytest.skip("the mock is not installed: scripts/install_kubernetes_schemas")
    with subprocess.Popen(
        [PYTHON, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        nodes = Nodes(process.stdout.readline().strip().rstrip("/"), tmp_path / "nodes")
        nodes.start()
        try:
            yield nodes
        finally:
            nodes.stop()
            process.communicate()


@pytest.fixture
def settings(nodes: Nodes, tmp_path: Path, host: str, base: Path) -> dict[str, Any]:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": nodes.url}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    serving = {
        "registry": f"{host}/lab",
        "base": str(base),
        "service_type": "NodePort",
        "address": "127.0.0.1",
    }
    return {"image": "i", "kubeconfig": str(tmp_path / "config"), "endpoints": serving}


@pytest.fixture
def pods(ws: Workspace, nodes: Nodes, settings: dict[str, Any]) -> Iterator[str]:
    """The name of the target."""
    ws.connection.computes.attach(AttachCompute("pods", "kubernetes", settings))
    yield "pods"
    for endpoint in ws.endpoints.values():
        endpoint.delete()
    eventually(lambda: not nodes.leftovers(), 60, "nothing is left of endpoints")
