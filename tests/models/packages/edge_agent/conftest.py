"""Images of several versions, as layouts, and a device that runs them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_workspace_lab.models.packages import layouts
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.models.packages.registries import Registry
from tests.models.packages.conftest import SCALE, Scales
from tests.models.packages.edge_agent.device import Device, device
from tests.models.packages.test_packages import python_alone

VERSIONS = {
    "one": SCALE.replace('{"y": ', '{"v": 1, "y": '),
    "two": SCALE.replace('{"y": ', '{"v": 2, "y": '),
    "broken": "def init():\n    raise ValueError('no such sensor')\ndef run(data):\n    return 1\n",
    "mortal": "import os, threading\n"
    "def init():\n    threading.Timer(1.0, lambda: os._exit(7)).start()\n"
    "def run(data):\n    return 1\n",
    "ending": "import os\ndef run(data):\n    os._exit(int(data))\n",
}


@pytest.fixture(scope="session")
def base(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_alone(layout, tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="session")
def image(
    scales: Scales, base: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The layout of a version, by its name."""
    folder = tmp_path_factory.mktemp("versions")

    def made(name: str) -> Path:
        path = folder / f"{name}.tar"
        if not path.exists():
            scales.on_base(base, VERSIONS[name]).save(path)
        return path

    return made


@pytest.fixture
def edge_device(tmp_path: Path) -> Iterator[Device]:
    with device(tmp_path / "device") as found:
        yield found


def push(layout: Path, name: str) -> str:
    """Send a layout to a registry; its name with the digest."""
    with layouts.reading(layout, None) as image:
        reference = Reference.parse(name, "push")
        Registry(reference, None, push=True).push(image)
        return f"{reference.host}/{reference.repository}@{image.descriptor.digest}"
