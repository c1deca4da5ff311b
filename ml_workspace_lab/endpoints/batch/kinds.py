"""Columns of answers: of which kind they are, and what two kinds are together."""

import json
import math
from typing import Any

from ml_workspace_lab.endpoints.batch.model import Kind

Column = tuple[str, Kind, list[Any]]
"""A name, the kind of all values, and those: None where one is missing."""


class Json(str):
    """Text that is JSON."""

    __slots__ = ()


def wider(one: Kind, two: Kind) -> Kind:
    """The kind that values of both have together: JSON where nothing else will do."""
    if one == two or two == "none":
        return one
    if one == "none":
        return two
    return "float" if {one, two} == {"int", "float"} else "json"


def as_kind(values: list[Any], present: Kind, wanted: Kind) -> list[Any]:
    """Values of one kind as those of a wider one."""
    if present == wanted or present == "none":
        return values
    if wanted == "float":
        return [None if value is None else float(value) for value in values]
    return [None if value is None else as_json(value) for value in values]


def as_json(value: Any) -> str:
    """A value as JSON; NaN and infinities as their names."""
    if isinstance(value, Json):
        return str(value)
    return json.dumps(_finite(value), ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
