"""Scoring code is tried before it is deployed, under the conditions it will be served in."""

import json
import os
import pickle
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.endpoint import preflight
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.endpoints import preflight as trying
from ml_workspace_lab.errors import InvalidInput, ScoringFailed
from tests.endpoints.support import SCALE, scale_model, script


@pytest.fixture
def model(ws: Workspace, tmp_path: Path) -> Model:
    return scale_model(ws, tmp_path, 2)


def test_init_and_run_are_tried_in_another_process(model: Model, tmp_path: Path) -> None:
    answer = preflight(model, script(tmp_path), {"x": 3})
    assert answer["y"] == 6
    assert answer["pid"] != os.getpid()
    assert preflight(model, script(tmp_path), None) is None
    assert "AZUREML_MODEL_DIR" not in os.environ


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def init():\n    raise RuntimeError('no weights')", "RuntimeError: no weights"),
        ("def init():\n    return\n\ndef run(data): 1 / 0", "ZeroDivisionError"),
        ("exit(5)", "SystemExit: 5"),
        ("def run(data): return {1}", "a set, which is not JSON"),
        ("def run(data", "SyntaxError"),
        ("import os; os.kill(os.getpid(), 9)", "was killed"),
    ],
)
def test_what_it_raises_comes_back_as_a_traceback(
    model: Model, tmp_path: Path, text: str, said: str
) -> None:
    if "def run" not in text:
        text += "\n\ndef run(data): pass"
    with pytest.raises(ScoringFailed) as failure:
        preflight(model, script(tmp_path, text), {"x": 1})
    assert said in str(failure.value)
    if "raise" in text:
        assert "line 2, in init" in str(failure.value)


def test_what_it_prints_goes_to_the_error_stream(
    model: Model, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    preflight(model, script(tmp_path, SCALE + "\nprint('from the script')"), {"x": 1})
    captured = capfd.readouterr()
    assert "from the script" in captured.err
    assert captured.out == ""


def test_it_is_tried_without_the_files_beside_it_as_it_will_be_served(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScoringFailed, match="No module named 'beside'"):
        preflight(model, script(tmp_path, SCALE + "\nimport beside"), None)


def test_it_does_not_get_the_tokens_of_the_server(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    text = "import os\ndef run(data): return os.environ.get('JUPYTER_TOKEN')"
    assert preflight(model, script(tmp_path, text), 1) is None


def test_a_sample_that_the_model_does_not_take_is_named(ws: Workspace, tmp_path: Path) -> None:
    from sklearn.dummy import DummyRegressor

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(DummyRegressor().fit([[0, 1]], [5])))
    model = Model.register(ws, "dummy", path)
    model.trust()
    assert preflight(model, None, {"data": [[1, 2]]}) == [5]
    with pytest.raises(InvalidInput, match="no rows") as refusal:
        preflight(model, None, {"data": []})
    assert refusal.value.field == "sample"


def test_what_has_no_scoring_code_says_what_is_missing(model: Model) -> None:
    with pytest.raises(ScoringFailed, match=r"factor\.txt") as failure:
        preflight(model, None, None)
    assert "init() and run(data)" in str(failure.value)


@pytest.mark.parametrize("path", ["missing.py", "../x.py", "x" * 10_000, "/"])
def test_a_script_that_is_not_there_is_named(model: Model, path: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        preflight(model, path, None)
    assert refusal.value.field == "scoring_script"
    assert len(str(refusal.value)) < 200


def test_a_script_that_never_comes_back_is_given_up(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "LIMIT_SECONDS", 1.0)
    text = "import time\ndef init(): time.sleep(1000)\ndef run(data): pass"
    with pytest.raises(ScoringFailed, match="more than 1 s"):
        preflight(model, script(tmp_path, text), json.loads("1"))
