"""Packages that several tests look at: making one takes a few seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_workspace_lab import Model, Package, Workspace
from ml_workspace_lab.client.package import package

SCALE = """
import json, os
from pathlib import Path

def init():
    global factor
    factor = float((Path(os.environ["AZUREML_MODEL_DIR"]) / "factor.txt").read_text())

def run(data):
    return {"y": factor * json.loads(data)["x"]}
"""


@dataclass(frozen=True)
class Scales:
    """A workspace with a model of one number, and the script that scores it."""

    ws: Workspace
    model: Model
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "store"

    @property
    def script(self) -> Path:
        return self.folder / "score.py"

    def on_base(self, base: str | Path, text: str = SCALE) -> Package:
        """A package that wants a base, which is made in a moment."""
        script = self.folder / "other.py"
        script.write_text(text)
        return package(self.model, "oci", wait=True, scoring_script=script, base=base)


@pytest.fixture(scope="session")
def scales(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scales]:
    folder = tmp_path_factory.mktemp("scales")
    files = folder / "model"
    files.mkdir()
    (files / "factor.txt").write_text("2")
    (files / "requirements.txt").write_text("# nothing but Python\n")
    (folder / "score.py").write_text(SCALE)
    ws = Workspace.create("packages", folder / "store")
    yield Scales(ws, Model.register(ws, "scale", files), folder)
    ws.close()


@pytest.fixture(scope="session")
def whole(scales: Scales) -> Package:
    """A package with an interpreter."""
    return scales.model.package(scoring_script=scales.script)


@pytest.fixture(scope="session")
def layout(whole: Package, scales: Scales) -> Path:
    """The same as an archive of an image layout."""
    path = scales.folder / "whole.tar"
    whole.save(path)
    return path
