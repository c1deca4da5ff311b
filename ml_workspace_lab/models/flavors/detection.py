"""Which library a model is of, told by its classes: nothing is imported."""

from typing import Any

from ml_workspace_lab.errors import InvalidInput

LIBRARIES = {
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "statsmodels": "statsmodels",
    "onnx": "onnx",
    "keras": "keras",
    "sklearn": "sklearn",
    "imblearn": "sklearn",
    "torch": "pytorch",
}
"""The flavor by the package of a class. Wrappers come before what they derive from: the first class
of a model's own line that is of a library decides."""


def flavor_of(model: Any) -> str:
    """The flavor of a model: of a library that it comes from, or `function` of whatever can be
    called or predicts. Raises InvalidInput on anything else."""
    for kind in type(model).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in LIBRARIES:
            return LIBRARIES[package]
    if callable(getattr(model, "predict", model)) and not isinstance(model, type):
        return "function"
    raise InvalidInput(
        f"model: {type(model).__name__} is no model: it has no predict and can't be called.",
        field="model",
        hint="Give a fitted model, a function of the inputs, or a file or folder by its path.",
    )
