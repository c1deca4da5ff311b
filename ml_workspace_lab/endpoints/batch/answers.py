"""What a model or a script answers to a mini-batch, as columns with a value for each row."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from ml_workspace_lab.endpoints.batch.kinds import Column, Json, as_json
from ml_workspace_lab.endpoints.batch.model import Kind
from ml_workspace_lab.endpoints.scoring.call import Reply

PREDICTION = "prediction"
MIN_INT, MAX_INT = -(2**63), 2**63 - 1
"""An integer beyond them is JSON."""


class Unlike(Exception):
    """The answer does not have a value for each row; the message says what it has."""


def aligned(answer: Any, rows: Sequence[int]) -> tuple[list[int], list[Column]]:
    """Which of the rows there are answers for, and the columns of those. A table's index names
    rows, where it has fewer. Raises Unlike."""
    if isinstance(answer, Reply):
        answer = answer.body.decode("utf-8", "replace")
    if isinstance(answer, str):
        answer = _parsed(answer)
    if isinstance(answer, dict):
        return list(rows), _of_dict(answer, len(rows))
    if not hasattr(answer, "__len__"):
        raise Unlike(f"it is a {type(answer).__name__}, and no list or table")
    given = list(rows)
    if len(answer) != len(rows):
        given = _by_index(answer, rows)
    if hasattr(answer, "columns"):
        named = [(str(name), answer.iloc[:, at]) for at, name in enumerate(answer.columns)]
        if len(dict(named)) < len(named):
            raise Unlike("a column stands twice")
        return given, [(name, *_values(column)) for name, column in named]
    return given, _of_list(answer)


def _parsed(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        raise Unlike("it is a text, and not JSON") from None
    if not isinstance(found, list | dict):
        raise Unlike(f"it is {text[:80]}")
    return found


def _by_index(answer: Any, rows: Sequence[int]) -> list[int]:
    """The rows that a table of fewer is about."""
    index = answer.index.tolist() if hasattr(answer, "iloc") else []
    numbers = set(rows)
    if not index or any(one not in numbers for one in index) or index != sorted(set(index)):
        raise Unlike(f"it has {len(answer)} values for {len(rows)} rows")
    return [int(one) for one in index]


def _of_dict(answer: dict[str, Any], count: int) -> list[Column]:
    if not answer or any(not isinstance(v, list) or len(v) != count for v in answer.values()):
        lengths = {k: len(v) if isinstance(v, list) else 1 for k, v in list(answer.items())[:5]}
        raise Unlike(f"it is an object with {lengths or 'nothing'} for {count} rows")
    if len(answer) == 1:
        [values] = answer.values()
        return _of_list(values)
    return [(str(name), *_values(values)) for name, values in answer.items()]


def _of_list(answer: Any) -> list[Column]:
    if getattr(answer, "ndim", 1) == 2:
        return _numbered([answer[:, at] for at in range(answer.shape[1])])
    values = answer.tolist() if hasattr(answer, "tolist") else list(answer)
    if values and all(isinstance(one, dict) for one in values):
        names = dict.fromkeys(str(name) for one in values for name in one)
        return [(name, *_values([one.get(name) for one in values])) for name in names]
    if values and all(isinstance(one, list | tuple) for one in values):
        width = len(values[0])
        flat = all(len(one) == width and not _is_nested(one) for one in values)
        if flat and width:
            return _numbered([[one[at] for one in values] for at in range(width)])
    return [(PREDICTION, *_values(answer))]


def _numbered(columns: list[Any]) -> list[Column]:
    if len(columns) == 1:
        return [(PREDICTION, *_values(columns[0]))]
    return [(f"{PREDICTION}_{at}", *_values(values)) for at, values in enumerate(columns)]


def _is_nested(values: Any) -> bool:
    return any(isinstance(one, list | tuple | dict) for one in values)


_OF_NUMPY: dict[str, Kind] = {"b": "bool", "i": "int", "u": "int", "f": "float", "U": "text"}


def _values(column: Any) -> tuple[Kind, list[Any]]:
    """The kind of a column and its values as Python's own; what is nested is JSON."""
    kind = _OF_NUMPY.get(getattr(getattr(column, "dtype", None), "kind", ""))
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    if kind == "int" and any(not MIN_INT <= value <= MAX_INT for value in values):
        kind = None
    if kind is not None and getattr(column, "ndim", 1) == 1:
        return kind, values
    values = [_plain(value) for value in values]
    kinds = {_kind(value) for value in values} - {"none"}
    if kinds <= {"int", "float"} and "float" in kinds:
        return "float", values
    if len(kinds) <= 1:
        return (kinds.pop() if kinds else "none"), values
    return "json", [None if value is None else as_json(value) for value in values]


def _plain(value: Any) -> Any:
    """A value as Python's own; a list or an object as its JSON."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, int) and not MIN_INT <= value <= MAX_INT:
        return Json(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return Json(as_json(value))
    return str(value)


def _kind(value: Any) -> Kind:
    if value is None:
        return "none"
    if isinstance(value, Json):
        return "json"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "text"
