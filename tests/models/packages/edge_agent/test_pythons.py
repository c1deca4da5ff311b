"""Images for a Python that a device does not have, and images of others."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ml_workspace_lab.errors import InvalidInput, Unavailable
from ml_workspace_lab.models.packages import layouts
from ml_workspace_lab.models.packages.bases import PYTHON_LABEL
from ml_workspace_lab.models.packages.edge_agent import launching
from ml_workspace_lab.models.packages.edge_agent.images import Images
from ml_workspace_lab.models.packages.edge_agent.wanted import Work
from ml_workspace_lab.models.packages.images import Image


def labelled(layout: Path, target: Path, labels: dict[str, str]) -> Path:
    """The same image with other labels."""
    with layouts.reading(layout, None) as image:
        process = msgspec.structs.replace(image.config.config, labels=labels)
        config = msgspec.structs.replace(image.config, config=process)
        layouts.write(Image.make(config, image.manifest.layers, {}, image.open), target)
    return target


def test_a_python_that_is_not_there_is_named(image: Callable[[str], Path], tmp_path: Path) -> None:
    path = labelled(image("one"), tmp_path / "later.tar", {PYTHON_LABEL: "3.99"})
    found = Images(tmp_path / "agent").get(str(path), {})
    with pytest.raises(Unavailable, match=r"needs Python 3\.99.*python3\.99 is on the PATH"):
        launching.start(found, Work(str(path)), tmp_path, "mark")


def test_an_image_of_others_is_refused(image: Callable[[str], Path], tmp_path: Path) -> None:
    path = labelled(image("one"), tmp_path / "other.tar", {})
    with pytest.raises((InvalidInput, Unavailable), match="none that `ml-workspace model package`"):
        Images(tmp_path / "agent").get(str(path), {})
