"""Fitted models as ONNX graphs, by the converter of each library."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.compiled import missing
from ml_workspace_lab.models.flavors.detection import flavor_of

EXTRA = "`pip install 'ml_workspace_lab[onnx]'`"
PACKAGES = (
    "onnxruntime",
    "skl2onnx",
    "onnxmltools",
    "scikit-learn",
    "xgboost",
    "xgboost-cpu",
    "lightgbm",
)
FLOAT32, FLOAT64 = "float32", "float64"
_INPUT = "rows"
_NAME = "model"
"""Converters make a name up where none is given: the same model shall be the same graph."""
_LONGEST = 300


class NotConverted(Exception):
    """There is no graph; the message says why."""


def packages() -> dict[str, str]:
    """The versions of what a graph depends on, of those that are installed."""
    # Here: it brings the whole of `email`, which a process that serves a graph never needs.
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def converted(model: Any, count: int, precision: str) -> Any:
    """The graph (onnx.ModelProto) of a model that takes `count` numbers a row, which come in that
    precision. Raises NotConverted."""
    try:
        flavor = flavor_of(model)
    except InvalidInput:
        flavor = ""
    convert = _CONVERTERS.get(flavor)
    if convert is None:
        raise NotConverted(f"there is no converter for {type(model).__name__}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return convert(model, count, precision)
    except ImportError as error:
        raise NotConverted(f"{error.name or error} is not installed: {EXTRA}") from None
    except Exception as error:  # noqa: BLE001 - converters raise almost anything
        said = " ".join(str(error).split())[:_LONGEST]
        raise NotConverted(f"{type(model).__name__} can't be converted: {said}") from None


def _sklearn(model: Any, count: int, precision: str) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common import data_types

    kind = data_types.FloatTensorType if precision == FLOAT32 else data_types.DoubleTensorType
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    given = [(_INPUT, kind([None, count]))]
    graph = convert_sklearn(model, _NAME, initial_types=given, options=options)
    missing.send_as_learned(model, graph)
    return graph


def _xgboost(model: Any, count: int, precision: str) -> Any:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    if precision != FLOAT32:
        raise NotConverted("XGBoost works in float32")
    with _numbered(model.get_booster()):
        given = [(_INPUT, FloatTensorType([None, count]))]
        return convert_xgboost(model, _NAME, initial_types=given)


@contextmanager
def _numbered(booster: Any) -> Iterator[None]:
    """A booster without the names of its columns, which the converter takes for their numbers."""
    names = booster.feature_names
    booster.feature_names = None
    try:
        yield
    finally:
        booster.feature_names = names


def _lightgbm(model: Any, count: int, precision: str) -> Any:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common import data_types

    kind = data_types.FloatTensorType if precision == FLOAT32 else data_types.DoubleTensorType
    given = [(_INPUT, kind([None, count]))]
    return convert_lightgbm(model, _NAME, initial_types=given, zipmap=False)


_CONVERTERS: dict[str, Callable[[Any, int, str], Any]] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
}
