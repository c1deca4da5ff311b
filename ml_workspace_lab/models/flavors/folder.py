"""The folder of a model: its files, `MLmodel`, what it needs, and an example of its input."""

import secrets
import sys
import time
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.described import MLMODEL
from ml_workspace_lab.models.flavors import saving, signature
from ml_workspace_lab.models.flavors.detection import flavor_of
from ml_workspace_lab.models.flavors.modules import Module

FRAMEWORKS = {
    "sklearn": "ScikitLearn",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "statsmodels": "Statsmodels",
    "onnx": "Onnx",
    "keras": "TfKeras",
    "pytorch": "PyTorch",
    saving.FUNCTION: "Custom",
}
MLFLOW = "2.9.0"
"""The version of the layout that is written: its readers are all later ones."""


def write(model: Any, folder: Path, *, input_example: Any = None, allow_pickle: bool = True) -> str:
    """Write a model into an empty folder that MLflow loads; the framework that it is of.

    With an example of its input (a data frame, or an array with a row for each) the model answers
    it once, and the signature and the first five rows are kept. Raises InvalidInput where the
    model can't be written or does not answer its own example.
    """
    import yaml  # type: ignore[import-untyped]

    flavor = flavor_of(model)
    written = saving.write(flavor, model, folder, allow_pickle=allow_pickle)
    env = {"virtualenv": "python_env.yaml", "conda": "conda.yaml"}
    flavors = {"python_function": {**written.function, "python_version": _python(), "env": env}}
    if written.flavor:
        flavors[written.flavor] = written.options
    described: dict[str, Any] = {
        "flavors": flavors,
        "mlflow_version": MLFLOW,
        "model_uuid": secrets.token_hex(16),
        "utc_time_created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()) + ".000000",
    }
    if input_example is not None:
        described["signature"] = signature.of(input_example, _answer(model, input_example))
        described["saved_input_example_info"] = signature.keep_example(input_example, folder)
    (folder / MLMODEL).write_text(yaml.safe_dump(described), encoding="utf-8")
    _write_needs(folder, written.packages)
    return FRAMEWORKS[flavor]


def _answer(model: Any, example: Any) -> Any:
    """What the model makes of its example; None where only a runtime of its own could tell."""
    call = getattr(model, "predict", model if callable(model) else None)
    if flavor_of(model) == "pytorch":
        call = Module(model).predict
    if call is None or type(model).__module__.startswith("xgboost.core"):
        return None
    try:
        return call(example)
    except Exception as error:
        raise InvalidInput(
            f"input_example: the model does not take it: {type(error).__name__}: {error}",
            field="input_example",
        ) from error


def _write_needs(folder: Path, packages: list[str]) -> None:
    import yaml

    found = filter(None, map(saving.installed, packages))
    pinned = sorted(f"{name}=={number}" for name, number in found)
    (folder / "requirements.txt").write_text("".join(f"{one}\n" for one in pinned), "utf-8")
    python_env = {
        "python": _python(),
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    (folder / "python_env.yaml").write_text(yaml.safe_dump(python_env), encoding="utf-8")
    conda = {
        "name": "model",
        "channels": ["conda-forge"],
        "dependencies": [f"python={_python()}", "pip", {"pip": pinned}],
    }
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda), encoding="utf-8")


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))
