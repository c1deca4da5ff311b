"""How each library's models are written: their own format where it runs no code, else a pickle."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.flavors import modules
from ml_workspace_lab.models.flavors.reviewed import REVIEWED

FUNCTION = "function"
PICKLE_FILE = "model.pkl"


@dataclass
class Written:
    """A model's files: what MLflow's flavor of that name says of them (none of what has no such),
    what its flavor `python_function` does, and the packages that loading needs."""

    flavor: str
    options: dict[str, Any]
    function: dict[str, Any]
    packages: list[str]


def write(flavor: str, model: Any, folder: Path, *, allow_pickle: bool) -> Written:
    """Write the model's own files into an empty folder. Raises InvalidInput where its only form is
    a pickle and none is wanted, or where it can't be written at all."""
    return _WRITERS[flavor](model, folder, _Pickles(allow_pickle))


class _Pickles:
    """Writes pickles, where they are allowed."""

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed

    def write(
        self, model: Any, path: Path, why: str, save: Callable[[Any, Path, Any], None] | None = None
    ) -> str:
        """The module that wrote it; `save` writes it with that in a form of its own. Raises
        InvalidInput."""
        if not self._allowed:
            raise InvalidInput(
                f"model: {type(model).__name__} can only be kept as a pickle: {why}",
                field="allow_pickle",
                hint="Give allow_pickle=True, if whoever loads it may run the code in it.",
            )
        pickler = _pickler()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if save is not None:
                save(model, path, pickler)
            else:
                with path.open("wb") as file:
                    pickler.dump(model, file)
        except Exception as error:
            raise InvalidInput(
                f"model: {type(model).__name__} can't be pickled: {error}", field="model"
            ) from error
        return str(pickler.__name__)


def _pickler() -> Any:
    try:
        import cloudpickle  # type: ignore[import-untyped]
    except ImportError:
        import pickle

        return pickle
    return cloudpickle


def _sklearn(model: Any, folder: Path, pickles: _Pickles) -> Written:
    options: dict[str, Any] = {"sklearn_version": _version("scikit-learn"), "code": None}
    packages = ["scikit-learn"]
    trusted, why = _as_skops(model, folder / "model.skops")
    if trusted is not None:
        options |= {
            "pickled_model": "model.skops",
            "serialization_format": "skops",
            "skops_trusted_types": trusted,
        }
        packages.append("skops")
    else:
        how = pickles.write(model, folder / PICKLE_FILE, why)
        options |= {"pickled_model": PICKLE_FILE, "serialization_format": how}
        packages.append(how)
    function = {
        "loader_module": "mlflow.sklearn",
        "model_path": options["pickled_model"],
        "predict_fn": "predict",
    }
    return Written("sklearn", options, function, packages)


def _as_skops(model: Any, path: Path) -> tuple[list[str] | None, str]:
    """The types that a reader has to trust, or None with the reason why there is no such file."""
    try:
        import skops.io
    except ImportError:
        return None, "skops, which writes models of scikit-learn as data, is not installed."
    try:
        content = skops.io.dumps(model)
        asked = skops.io.get_untrusted_types(data=content)
    except Exception as error:  # noqa: BLE001 - whatever it says of a foreign type
        return None, f"skops can't write it: {error}"
    if foreign := sorted(set(asked).difference(REVIEWED)):
        return None, f"it has parts that run code of their own: {', '.join(foreign)}."
    path.write_bytes(content)
    return sorted(asked), ""


def _xgboost(model: Any, folder: Path, _: _Pickles) -> Written:
    model.save_model(folder / "model.ubj")
    options: dict[str, Any] = {
        "xgb_version": _version("xgboost"),
        "data": "model.ubj",
        "model_class": _class_name(model),
        "model_format": "ubj",
        "code": None,
    }
    return Written("xgboost", options, _loaded("mlflow.xgboost", options["data"]), ["xgboost"])


def _lightgbm(model: Any, folder: Path, pickles: _Pickles) -> Written:
    kind = _class_name(model)
    options: dict[str, Any] = {"lgb_version": _version("lightgbm"), "model_class": kind}
    packages = ["lightgbm"]
    if kind == "lightgbm.basic.Booster":
        options["data"] = "model.lgb"
        model.save_model(folder / "model.lgb")
    else:
        why = "LightGBM writes a Booster as text and no others; give model.booster_ for that."
        how = pickles.write(model, folder / PICKLE_FILE, why)
        options |= {"data": PICKLE_FILE, "serialization_format": how}
        packages += ["scikit-learn", how]
    options["code"] = None
    return Written("lightgbm", options, _loaded("mlflow.lightgbm", options["data"]), packages)


def _catboost(model: Any, folder: Path, _: _Pickles) -> Written:
    model.save_model(str(folder / "model.cb"))
    options: dict[str, Any] = {
        "catboost_version": _version("catboost"),
        "model_type": type(model).__name__,
        "save_format": "cbm",
        "data": "model.cb",
        "code": None,
    }
    return Written("catboost", options, _loaded("mlflow.catboost", options["data"]), ["catboost"])


def _statsmodels(model: Any, folder: Path, pickles: _Pickles) -> Written:
    pickles.write(model, folder / "model.statsmodels", "statsmodels has no other form.")
    options: dict[str, Any] = {
        "statsmodels_version": _version("statsmodels"),
        "data": "model.statsmodels",
        "code": None,
    }
    function = _loaded("mlflow.statsmodels", options["data"])
    return Written("statsmodels", options, function, ["statsmodels"])


def _onnx(model: Any, folder: Path, _: _Pickles) -> Written:
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    options = {
        "onnx_version": _version("onnx"),
        "data": "model.onnx",
        "providers": ["CPUExecutionProvider"],
        "code": None,
    }
    function = _loaded("mlflow.onnx", "model.onnx")
    return Written("onnx", options, function, ["onnx", "onnxruntime"])


def _keras(model: Any, folder: Path, _: _Pickles) -> Written:
    (folder / "data").mkdir()
    model.save(folder / "data" / "model.keras")
    options = {
        "data": "data",
        "keras_version": _version("keras"),
        "keras_backend": _backend(),
        "save_exported_model": False,
    }
    return Written("keras", options, {"loader_module": "mlflow.keras"}, ["keras"])


def _pytorch(model: Any, folder: Path, pickles: _Pickles) -> Written:
    why = "PyTorch has no other form of a module with what it does."
    how = pickles.write(model, folder / "data" / modules.PICKLE, why, modules.save)
    # What cloudpickle has written, pickle reads.
    (folder / "data" / "pickle_module_info.txt").write_text("pickle", encoding="utf-8")
    options = {"model_data": "data", "pytorch_version": _version("torch"), "code": None}
    return Written("pytorch", options, _loaded("mlflow.pytorch", "data"), ["torch", how])


def _backend() -> str:
    import keras

    return str(keras.backend.backend())


LOADER = '''"""Loads a function or an object that predicts, for `mlflow.pyfunc`."""

import pickle


class _Predicting:
    def __init__(self, model):
        self._call = getattr(model, "predict", model)

    def predict(self, data, params=None):
        return self._call(data)


def _load_pyfunc(path):
    with open(path, "rb") as file:
        return _Predicting(pickle.load(file))
'''


def _function(model: Any, folder: Path, pickles: _Pickles) -> Written:
    what = "a function" if inspect.isroutine(model) else f"of the type {_class_name(model)}"
    how = pickles.write(model, folder / PICKLE_FILE, f"it is {what}.")
    (folder / "code").mkdir()
    (folder / "code" / "ml_workspace_function.py").write_text(LOADER, encoding="utf-8")
    function = _loaded("ml_workspace_function", PICKLE_FILE) | {"code": "code"}
    return Written("", {}, function, [how])


_Writer = Callable[[Any, Path, _Pickles], Written]
_WRITERS: dict[str, _Writer] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "statsmodels": _statsmodels,
    "onnx": _onnx,
    "keras": _keras,
    "pytorch": _pytorch,
    FUNCTION: _function,
}


def _loaded(module: str, data: str) -> dict[str, str]:
    return {"loader_module": module, "data": data}


def _class_name(model: Any) -> str:
    return f"{type(model).__module__}.{type(model).__name__}"


def _version(package: str) -> str:
    found = installed(package)
    return found[1] if found else ""


def installed(package: str) -> tuple[str, str] | None:
    """The name and version of a package, or of its build for CPUs alone, such as xgboost-cpu."""
    for name in (package, f"{package}-cpu"):
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None
