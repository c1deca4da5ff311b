"""Live models become folders that MLflow and our own scoring load, in the safest form there is."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from skops.io.exceptions import UntrustedTypesFoundException

from ml_workspace_lab import Model, Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.flavors import folder, loading, signature

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / "build" / "autolog" / "newest" / "bin" / "python"
FILES = {
    "sklearn": ("ScikitLearn", "model.skops"),
    "forest": ("ScikitLearn", "model.skops"),
    "xgboost": ("XGBoost", "model.ubj"),
    "booster": ("XGBoost", "model.ubj"),
    "lightgbm": ("LightGBM", "model.pkl"),
    "lightgbm_booster": ("LightGBM", "model.lgb"),
    "statsmodels": ("Statsmodels", "model.statsmodels"),
    "keras": ("TfKeras", "data/model.keras"),
    "catboost": ("CatBoost", "model.cb"),
    "torch": ("PyTorch", "data/model.pth"),
    "function": ("Custom", "model.pkl"),
}
ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
NAMED = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1, 2, 4]})


def in_libraries(*words: str | Path) -> None:
    """Run a program where the libraries are, and none of what this project needs."""
    ended = subprocess.run(
        [PYTHON, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each library, and what was answered when it was made and read."""
    if not PYTHON.exists():
        pytest.skip("no libraries: scripts/install_autolog")
    root = tmp_path_factory.mktemp("models")
    for name in ("made.py", "load.py"):
        in_libraries(Path(__file__).with_name(name), root, *FILES)
    return root


@pytest.mark.parametrize("library", FILES)
def test_mlflow_and_our_scoring_load_what_was_written(written: Path, library: str) -> None:
    made = json.loads((written / "made.json").read_text())[library]
    framework, file = FILES[library]
    assert made["framework"] == framework
    assert (written / library / file).is_file()
    loaded = json.loads((written / "loaded.json").read_text())[library]
    assert loaded["theirs"] == pytest.approx(made["answer"], abs=1e-5)
    assert loaded["ours"] == pytest.approx(made["answer"], abs=1e-5)
    example = np.array([[0, 1], [1, 0], [0.5, 0.5], [1, 1], [0.1, 0.9]])
    assert np.array(loaded["example"]) == pytest.approx(example)
    assert loaded["columns"] == [[], 2]
    bits = 32 if library == "torch" else 64
    assert loaded["signature"] == f"[Tensor('float{bits}', (-1, 2))]"


@pytest.mark.skipif(not PYTHON.exists(), reason="no libraries: scripts/install_autolog")
def test_our_scoring_loads_what_mlflow_wrote(tmp_path: Path) -> None:
    in_libraries(Path(__file__).with_name("theirs.py"), tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    written = ["pickle", "cloudpickle", "skops", "xgboost", "lightgbm", "statsmodels", "catboost"]
    assert list(found) == [*written, "torch pickle", "torch pt2", "python"]
    for ours, theirs in found.values():
        assert ours == pytest.approx(theirs)


def test_a_live_model_is_registered_as_data(ws: Workspace) -> None:
    tree = DecisionTreeClassifier().fit(ROWS, [0, 1, 0, 1])
    info = Model.register(ws, "tree", model=tree, input_example=ROWS).info()
    assert (info.framework, info.executes_code) == ("ScikitLearn", False)
    assert {file.path for file in info.files} >= {"MLmodel", "model.skops", "requirements.txt"}


def test_what_would_run_code_is_a_pickle_and_marked(ws: Workspace) -> None:
    odd = make_pipeline(FunctionTransformer(lambda x: x), LinearRegression()).fit(
        ROWS, [1, 2, 3, 4]
    )
    with pytest.raises(InvalidInput, match="run code of their own") as told:
        Model.register(ws, "odd", model=odd, allow_pickle=False)
    assert told.value.field == "allow_pickle"
    assert not ws.models
    assert Model.register(ws, "odd", model=odd).info().executes_code


@pytest.mark.parametrize("thing", [{"a": 1}, 3, "text", DecisionTreeClassifier])
def test_what_is_no_model_is_refused(ws: Workspace, thing: Any) -> None:
    with pytest.raises(InvalidInput, match="is no model"):
        Model.register(ws, "thing", model=thing)


def test_an_example_that_the_model_does_not_take_is_told(ws: Workspace) -> None:
    tree = DecisionTreeClassifier().fit(ROWS, [0, 1, 0, 1])
    with pytest.raises(InvalidInput, match="does not take it: ValueError") as told:
        Model.register(ws, "tree", model=tree, input_example=np.zeros((1, 7)))
    assert told.value.field == "input_example"


def test_a_data_frames_columns_are_the_signature(tmp_path: Path) -> None:
    model = LinearRegression().fit(NAMED, [1, 2, 3])
    folder.write(model, tmp_path, input_example=NAMED)
    described = yaml.safe_load((tmp_path / "MLmodel").read_text())
    assert json.loads(described["signature"]["inputs"]) == [
        {"type": "double", "name": "a", "required": True},
        {"type": "long", "name": "b", "required": True},
    ]
    found = loading.load(tmp_path)
    assert (found.names, found.count) == (["a", "b"], 2)
    assert found.predict(NAMED) == pytest.approx(model.predict(NAMED))


def test_whole_numbers_that_may_be_missing_are_doubles() -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "t": ["x", None],
            "w": pd.to_datetime(["2026-01-01", "2026-01-02"]),
            "b": [True, False],
            "f": np.array([1, 2], np.float32),
        }
    )
    inputs = json.loads(signature.of(frame, None)["inputs"])
    assert [(one["type"], one["required"]) for one in inputs] == [
        ("double", False),
        ("string", False),
        ("datetime", True),
        ("boolean", True),
        ("float", True),
    ]


@pytest.mark.parametrize("example", [object(), [{"a": 1}], pd.DataFrame({"a": ["x", 1]})])
def test_an_example_without_a_signature_is_refused(example: Any) -> None:
    with pytest.raises(InvalidInput) as told:
        signature.of(example, None)
    assert told.value.field == "input_example"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[", "can't be read"),
        ("a: 1", "names no flavors"),
        ("flavors: {spacy: {}}", "flavors spacy"),
        ("flavors: {sklearn: {}}", "nothing of pickled_model"),
        ("flavors: {sklearn: {pickled_model: ../x.pkl}}", "outside of the model"),
        ("flavors: {python_function: {loader_module: a, code: /etc}}", "outside of the model"),
    ],
)
def test_a_bad_mlmodel_is_told(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "MLmodel").write_text(content)
    with pytest.raises(InvalidInput, match=reason):
        loading.load(tmp_path)


def test_a_models_own_list_of_what_to_trust_is_not_followed(ws: Workspace, tmp_path: Path) -> None:
    odd = FunctionTransformer(os.getcwd)
    (tmp_path / "model.skops").write_bytes(skops.io.dumps(odd))
    options = {
        "pickled_model": "model.skops",
        "serialization_format": "skops",
        "skops_trusted_types": skops.io.get_untrusted_types(file=tmp_path / "model.skops"),
    }
    assert options["skops_trusted_types"]
    (tmp_path / "MLmodel").write_text(yaml.safe_dump({"flavors": {"sklearn": options}}))
    with pytest.raises(UntrustedTypesFoundException):
        loading.load(tmp_path)


def test_a_folder_with_code_of_its_own_is_marked(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "loader.py").write_text("")
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: loader}}")
    assert Model.register(ws, "coded", tmp_path).info().executes_code


def test_an_example_of_no_model_is_refused(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="none is given"):
        Model.register(ws, "m", tmp_path, input_example=ROWS)
