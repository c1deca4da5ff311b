"""Which models answer each row for itself, whatever rows stand beside it."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost")
"""Whose models predict row by row."""
_CLOSED = ("xgboost", "onnx")
"""Flavors whose models are data alone, and called through a function of this package."""
_OPEN = ("sklearn", "lightgbm", "catboost", "statsmodels")
"""Flavors that are looked for before those."""


def is_row_wise(predict: Callable[[Any], Any], flavors: Collection[str]) -> bool:
    """Whether a model can be asked for the rows of several requests at once: it is one of a library
    that is known for it, and no code of anybody else's is in it. `flavors` are those of its
    folder."""
    model = getattr(predict, "__self__", None)
    if model is not None:
        return _is_of_libraries(model)
    named = [flavor for flavor in (*_OPEN, *_CLOSED) if flavor in flavors]
    return len(named) == 1 and named[0] in _CLOSED


def _is_of_libraries(model: Any) -> bool:
    if type(model).__module__.partition(".")[0] not in LIBRARIES:
        return False
    parameters = model.get_params(deep=True) if hasattr(model, "get_params") else {}
    return not any(_is_foreign(value) for value in parameters.values())


def _is_foreign(value: Any) -> bool:
    """Whether a parameter is, or holds, somebody's own function or class."""
    if isinstance(value, list | tuple | set):
        return any(_is_foreign(one) for one in value)
    if isinstance(value, Mapping):
        return any(_is_foreign(one) for one in value.values())
    home = type(value).__module__.partition(".")[0]
    return callable(value) or home not in ("builtins", "numpy", *LIBRARIES)
