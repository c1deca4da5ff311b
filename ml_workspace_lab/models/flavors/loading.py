"""Reading a model's folder back, without MLflow. Loading may execute code: only a process that
scores, or its user, does it."""

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models import inspection
from ml_workspace_lab.models.described import MLMODEL
from ml_workspace_lab.models.flavors import modules
from ml_workspace_lab.models.flavors.reviewed import REVIEWED

ONNX = "onnx"


@dataclass
class Loaded:
    """A model that answers rows (a data frame, or an array), the names of its columns (none where
    it goes by their places), how many they are (None where that is not known), the object that
    answers, and whether it wants a data frame where its columns have names."""

    predict: Callable[[Any], Any]
    names: list[str]
    count: int | None
    model: Any = None
    wants_frame: bool = True


def find(folder: Path) -> Path | None:
    """The one folder at or below `folder` that has an MLmodel file; None where there is none, or
    more than one."""
    found = [path.parent for path in folder.rglob(MLMODEL) if path.is_file()]
    return found[0] if len(found) == 1 else None


def load(folder: Path, providers: Sequence[str] = ()) -> Loaded:
    """The model of a folder with an MLmodel file; `providers` are what ONNX Runtime is to execute a
    graph with, by default the processor. Raises InvalidInput where the file can't be read or speaks
    of no flavor that is known here, ImportError where a library is missing."""
    described = _described(folder)
    flavor, options = _flavor(described)
    if flavor == ONNX:
        graph = open_graph(_file(folder, _option(options, "data")), providers)
        names, count = _inputs(described, graph.model)
        return graph if count is None else replace(graph, names=names, count=count)
    model = _READERS[flavor](folder, options)
    names, count = _inputs(described, model)
    return Loaded(getattr(model, "predict", model), names, count, model)


def open_graph(path: Path, providers: Sequence[str] = ()) -> Loaded:
    """An ONNX graph by itself."""
    from ml_workspace_lab.models.compiled.graph import CPU, Graph

    graph = Graph.open(path, providers or [CPU])
    return Loaded(graph.predict, graph.names, graph.count, graph, wants_frame=False)


def is_graph(folder: Path) -> bool:
    """Whether the model of a folder was registered as an ONNX graph. Raises as `load` does."""
    return _flavor(_described(folder))[0] == ONNX


def _flavor(described: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The flavor that the model is loaded by, and what MLmodel says of it."""
    flavors = described["flavors"]
    for flavor in _ORDER:
        if isinstance(options := flavors.get(flavor), dict):
            return flavor, options
    known = ", ".join(sorted(_ORDER))
    told = ", ".join(sorted(flavors))
    raise InvalidInput(
        f"The model is of the flavors {told}; here {known} are known.",
        hint="Give a scoring script with init() and run(data).",
    )


def _described(folder: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:
        found = yaml.safe_load((folder / MLMODEL).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InvalidInput(f"MLmodel can't be read: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("flavors"), dict):
        raise InvalidInput("MLmodel names no flavors.")
    return found


def _inputs(described: dict[str, Any], model: Any) -> tuple[list[str], int | None]:
    """The columns of the input, as the model itself or its signature says."""
    own = [str(name) for name in getattr(model, "feature_names_in_", [])]
    # CatBoost says 0 of a model that it has read.
    count = getattr(model, "n_features_in_", None) or None
    if own or count is not None:
        return own, count
    signature = described.get("signature") or {}
    columns = json.loads(signature.get("inputs") or "[]")
    names = [column["name"] for column in columns if "name" in column]
    if names:
        return names, len(names)
    shapes = [column["tensor-spec"]["shape"] for column in columns if "tensor-spec" in column]
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] > 0:
        return [], int(shapes[0][1])
    return [], None


def _option(options: dict[str, Any], name: str) -> str:
    if not isinstance(found := options.get(name), str):
        raise InvalidInput(f"MLmodel says nothing of {name}, which its flavor needs.")
    return found


def _file(folder: Path, name: str) -> Path:
    """A file of the folder, and of no other place."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidInput(f"MLmodel points to {name!r}, which is outside of the model.")
    return path


def _check_marked(folder: Path) -> None:
    """Raise InvalidInput where code would be run of a model that was not marked for it when it was
    registered: nobody was asked to trust it."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as content:
            if inspection.executes_code(path.name, content):
                return
    raise InvalidInput(
        "MLmodel wants code to be run (a pickle, or a loader), and no file of the model is known"
        " to hold any.",
        hint="Give a scoring script with init() and run(data).",
    )


def _pickled(folder: Path, path: Path, how: str) -> Any:
    _check_marked(folder)
    reader = importlib.import_module("cloudpickle" if how == "cloudpickle" else "pickle")
    with path.open("rb") as file:
        return reader.load(file)


def _sklearn(folder: Path, options: dict[str, Any]) -> Any:
    path = _file(folder, _option(options, "pickled_model"))
    how = options.get("serialization_format", "pickle")
    if how == "skops":
        import skops.io

        # Its own list of what to trust is whatever its writer wished.
        return skops.io.load(path, trusted=list(REVIEWED))
    return _pickled(folder, path, how)


def _xgboost(folder: Path, options: dict[str, Any]) -> Any:
    import xgboost

    kind = str(options.get("model_class", "xgboost.core.Booster")).rpartition(".")[2]
    model = getattr(xgboost, kind)()
    model.load_model(_file(folder, _option(options, "data")))
    if kind != "Booster":
        return model
    return lambda rows: model.predict(xgboost.DMatrix(rows))


def _lightgbm(folder: Path, options: dict[str, Any]) -> Any:
    path = _file(folder, _option(options, "data"))
    if options.get("model_class", "lightgbm.basic.Booster") != "lightgbm.basic.Booster":
        return _sklearn(folder, {**options, "pickled_model": options.get("data")})
    import lightgbm

    return lightgbm.Booster(model_file=path)


def _catboost(folder: Path, options: dict[str, Any]) -> Any:
    import catboost

    model = getattr(catboost, _option(options, "model_type"))()
    model.load_model(
        str(_file(folder, _option(options, "data"))), options.get("save_format", "cbm")
    )
    return model


def _statsmodels(folder: Path, options: dict[str, Any]) -> Any:
    return _pickled(folder, _file(folder, _option(options, "data")), "pickle")


def _keras(folder: Path, options: dict[str, Any]) -> Any:
    import os

    if backend := options.get("keras_backend"):
        os.environ.setdefault("KERAS_BACKEND", str(backend))
    import keras

    path = _file(folder, options.get("data", "data"))
    model = keras.saving.load_model(path / "model.keras" if path.is_dir() else path, safe_mode=True)
    return lambda rows: model.predict(rows, verbose=0)


def _pytorch(folder: Path, options: dict[str, Any]) -> Any:
    path = _file(folder, _option(options, "model_data"))
    _check_marked(folder)
    return modules.load(path)


def _function(folder: Path, options: dict[str, Any]) -> Any:
    """What MLflow calls `python_function`: a module of the folder's own that loads the rest, or one
    that is installed."""
    module = _option(options, "loader_module")
    code = _file(folder, _option(options, "code")) if options.get("code") else None
    _check_marked(folder)
    if code is not None:
        sys.path.insert(0, str(code))
    loader = importlib.import_module(module)
    return loader._load_pyfunc(str(_file(folder, options.get("data", "."))))


_READERS: dict[str, Callable[[Path, dict[str, Any]], Any]] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "statsmodels": _statsmodels,
    "keras": _keras,
    "pytorch": _pytorch,
    "python_function": _function,
}
_ORDER = (*(name for name in _READERS if name != "python_function"), ONNX, "python_function")
"""The last one is what every folder has; the others are more to the point."""
