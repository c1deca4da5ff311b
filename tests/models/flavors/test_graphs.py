"""ONNX graphs go between MLflow's folders and ours both ways."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from skl2onnx import to_onnx

from ml_workspace_lab.models.flavors import folder, loading
from tests.models.compiled import made

PYTHON = Path(__file__).parents[3] / "build" / "mlflow" / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="no MLflow: scripts/install_mlflow")
def test_a_graph_answers_the_same_whoever_wrote_its_folder_and_reads_it(tmp_path: Path) -> None:
    rows = made.ROWS[:20].astype("f4")
    graph = to_onnx(made.logistic(), rows, options={"zipmap": False})
    (tmp_path / "ours").mkdir()
    folder.write(graph, tmp_path / "ours", input_example=rows)
    (tmp_path / "rows.json").write_text(json.dumps(rows.tolist()))
    program = Path(__file__).with_name("graphs.py")
    ended = subprocess.run(
        [PYTHON, program, tmp_path],
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    answers = json.loads((tmp_path / "answers.json").read_text())
    expected = made.logistic().predict(made.ROWS[:20]).tolist()
    assert answers == {"ours": expected, "theirs": expected}
    for name in ("ours", "theirs"):
        found = loading.load(tmp_path / name)
        assert (found.names, found.count) == ([], 4)
        assert np.asarray(found.predict(rows)).tolist() == expected
