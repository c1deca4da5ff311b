"""Images that are served by the verified graph of their model."""

import json
import os
import subprocess
from pathlib import Path

import onnx
import pytest

from ml_workspace_lab import Model
from ml_workspace_lab.errors import InvalidInput
from tests.models.compiled import made
from tests.models.packages import containers
from tests.models.packages.conftest import Scales

ROWS = {"data": made.ROWS[:3].tolist()}


@pytest.fixture
def model(scales: Scales, tmp_path: Path) -> Model:
    """A model of scikit-learn whose image is not to have that."""
    whole = Model.register(
        scales.ws, "with a library", model=made.logistic(), input_example=made.ROWS
    )
    folder = whole.download(tmp_path / "files")
    [needs] = folder.rglob("requirements.txt")
    needs.write_text(f"# A graph needs none of it, in {tmp_path}.\n")
    return Model.register(scales.ws, "graph", folder)


def test_an_image_is_served_by_the_graph_and_is_the_same_each_time(
    model: Model, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="has no graph: nobody has compiled it"):
        model.package(engine="onnx")
    compilation = model.compile()
    assert compilation.verdict.kept, compilation
    image = model.package(engine="onnx")
    assert "the graph of the model" in [layer.made_of for layer in image.info().layers]
    assert model.package(engine="onnx").info().digest == image.info().digest
    without = model.package(base="nowhere", engine="native")
    assert "the graph of the model" not in [layer.made_of for layer in without.info().layers]
    with pytest.raises(InvalidInput, match="engine"):
        model.package(engine="fast")

    image.save(tmp_path / "image")
    root, log = tmp_path / "root", tmp_path / "log.txt"
    config = containers.unpack(tmp_path / "image", root)
    home = root / "opt/ml-workspace"
    assert not (home / "packages/sklearn").exists()
    with containers.container(
        root, config, log, ML_WORKSPACE_SCORING_KEY=containers.KEY
    ) as address:
        answer = containers.score(address, ROWS)
        assert answer.json == made.logistic().predict(made.ROWS[:3]).tolist()
    rows = compilation.verdict.rows
    assert f"Served by onnxruntime (verified on {rows} rows" in log.read_text()

    graph = onnx.load(home / "compiled/model.onnx")
    [notes] = graph.metadata_props
    told = json.loads(notes.value)
    told["answers"] = [1 - answer for answer in told["answers"]]
    notes.value = json.dumps(told)
    onnx.save(graph, home / "compiled/model.onnx")
    given = dict(line.split("=", 1) for line in config["config"]["Env"])
    given |= {"ML_WORKSPACE_SCORING_KEY": containers.KEY, "PATH": os.environ["PATH"]}
    refused = subprocess.run(
        [*containers.chroot(), root, *config["config"]["Entrypoint"]],
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "labels differ on 5 of 5 kept rows" in refused.stderr
