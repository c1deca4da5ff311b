"""Bodies into rows of features, answers into JSON."""

import json
import math
from typing import Any

import msgspec

from ml_workspace_lab.endpoints.scoring.frames import unlike

NOT_FINITE = "the answer holds NaN or an infinity, for which JSON has no token"
_PLAIN_KINDS = "biufU"
WRAPPERS = ("data", "input_data", "Inputs", "inputs")
EXPECTED = (
    'Send {"data": [[…], …]}, {"data": [{"column": value, …}, …]} or'
    ' {"input_data": {"columns": […], "data": [[…], …]}}.'
)


def rows_of(body: Any, names: list[str], count: int | None) -> list[list[Any]]:
    """The rows to predict, in the order of the model's columns.

    Raises ValueError with what is wrong and what was expected.
    """
    columns, rows = _columns_and_rows(body)
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"There are no rows. {EXPECTED}")
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            raise ValueError(f"Row {number} is not a list. {EXPECTED}")
    if columns is not None and names:
        rows = _ordered(columns, rows, names)
    for number, row in enumerate(rows):
        if count is not None and len(row) != count:
            raise ValueError(f"Row {number} has {len(row)} values; the model takes {count}.")
    return rows


def _columns_and_rows(body: Any) -> tuple[list[str] | None, Any]:
    found = body
    if isinstance(body, dict):
        found = next((body[name] for name in WRAPPERS if name in body), None)
    if isinstance(found, dict):
        return _checked_columns(found.get("columns")), found.get("data")
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        columns = list(found[0])
        missing = next((i for i, row in enumerate(found) if set(row) != set(columns)), None)
        if missing is not None:
            raise ValueError(f"Row {missing} has other columns than row 0.")
        return columns, [[row[name] for name in columns] for row in found]
    return None, found


def _checked_columns(columns: Any) -> list[str] | None:
    if columns is None:
        return None
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise ValueError(f"The columns are not a list of names. {EXPECTED}")
    if len(set(columns)) < len(columns):
        raise ValueError("A column stands twice.")
    return columns


def _ordered(columns: list[str], rows: list[Any], names: list[str]) -> list[Any]:
    if set(columns) != set(names):
        raise ValueError(unlike(columns, names))
    places = [columns.index(name) for name in names]
    width = len(columns)
    bad = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if bad is not None:
        raise ValueError(f"Row {bad} has {len(rows[bad])} values for {width} columns.")
    return [[row[place] for place in places] for row in rows]


def as_matrix(rows: list[Any], names: list[str]) -> Any:
    """A data frame where the model was trained with column names, else an array."""
    if names:
        import pandas

        return pandas.DataFrame(rows, columns=names)
    import numpy

    return numpy.asarray(rows)


def encode(answer: Any) -> bytes:
    """The answer as JSON. Raises ValueError on what JSON can't hold."""
    if type(answer).__module__ == "numpy" and answer.dtype.kind in _PLAIN_KINDS:
        return encode_plain(listed(answer))
    return json.dumps(_plain(answer), allow_nan=False, ensure_ascii=False).encode()


def listed(array: Any) -> Any:
    """numpy's array of numbers, flags or text as lists. Raises ValueError on what JSON can't hold,
    and on other arrays."""
    import numpy

    if array.dtype.kind not in _PLAIN_KINDS:
        raise ValueError(f"an array of {array.dtype} may hold anything")
    if array.dtype.kind == "f" and not numpy.isfinite(array).all():
        raise ValueError(NOT_FINITE)
    return array.tolist()


def encode_plain(value: Any) -> bytes:
    """JSON of lists, objects, text and numbers, which have to be finite."""
    return msgspec.json.encode(value)


def _plain(value: Any) -> Any:
    """numpy's and pandas' values as Python's."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(NOT_FINITE)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    for method in ("tolist", "to_dict"):
        if hasattr(value, method):
            return _plain(getattr(value, method)())
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"the answer holds a {type(value).__name__}, which is not JSON")
