"""Columns of rows that were read: of which kind they are, and the values as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy

ColumnKind = Literal["none", "bool", "int", "float", "text", "any"]
"""What all values of a column are; `none` where each is missing, `any` where they differ."""

Kinds = dict[str, ColumnKind]

MLFLOW_KINDS: dict[str, ColumnKind] = {
    "boolean": "bool",
    "integer": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "string": "text",
}
"""Of the types that a model's signature names."""

_BOOLEANS = {"true": True, "false": False}
_WIDER: dict[frozenset[ColumnKind], ColumnKind] = {frozenset(("int", "float")): "float"}
_NAMES: dict[ColumnKind, str] = {"bool": "true or false", "int": "an integer", "float": "a number"}


@dataclass
class Block:
    """Rows of a mini-batch: their numbers in the file, the columns by name, each an array, and the
    rows that could not be read, with the reasons."""

    rows: list[int]
    columns: dict[str, Any]
    bad: list[tuple[int, str]] = field(default_factory=list)

    def part(self, start: int, end: int) -> "Block":
        """The rows of these places."""
        columns = {name: values[start:end] for name, values in self.columns.items()}
        return Block(self.rows[start:end], columns)


def joined(one: ColumnKind, two: ColumnKind, *, as_text: bool = False) -> ColumnKind:
    """The kind of a column that holds both: of texts (`as_text`) any can be a text."""
    if one == two or two == "none":
        return one
    if one == "none":
        return two
    return _WIDER.get(frozenset((one, two)), "text" if as_text else "any")


def kind_of_text(text: str) -> ColumnKind:
    """What a field of a text file may be taken for; "" is a missing value."""
    if not text:
        return "none"
    if "_" in text or text != text.strip():
        return "text"
    try:
        int(text)
    except ValueError:
        pass
    else:
        return "int"
    try:
        float(text)
    except ValueError:
        return "bool" if text.lower() in _BOOLEANS else "text"
    return "float"


def kind_of_value(value: Any) -> ColumnKind:
    """What a value of JSON is."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "text" if isinstance(value, str) else "any"


def block(
    rows: Sequence[int],
    columns: Mapping[str, Sequence[Any]],
    kinds: Kinds,
    bad: list[tuple[int, str]],
) -> Block:
    """Rows whose values become arrays of their columns' kinds; a row with a value that is of
    another kind is bad."""
    arrays, wrong = {}, dict[int, str]()
    for name, values in columns.items():
        arrays[name], places = _array(values, kinds.get(name, "any"))
        kind = _NAMES.get(kinds.get(name, "any"), "")
        for place in places:
            given = repr(values[place])[:80]
            wrong.setdefault(place, f"column {name!r}: {given} is not {kind}")
    if not wrong:
        return Block(list(rows), arrays, bad)
    kept = [place for place in range(len(rows)) if place not in wrong]
    bad = sorted([*bad, *((rows[place], reason) for place, reason in wrong.items())])
    return Block(
        [rows[place] for place in kept],
        {name: values[kept] for name, values in arrays.items()},
        bad,
    )


def _array(values: Sequence[Any], kind: ColumnKind) -> tuple[Any, list[int]]:
    """The values as an array, with the places of those that are of another kind (and stand there
    as something else). Missing numbers and texts are NaN, as pandas reads them."""
    if kind in ("int", "float"):
        try:
            return _quick_numbers(values, kind), []
        except (ValueError, TypeError, OverflowError):
            return _numbers(values, kind)
    if kind == "bool":
        return _booleans(values)
    found = numpy.empty(len(values), dtype=object)
    found[:] = [float("nan") if value in ("", None) else value for value in values]
    return found, []


def _quick_numbers(values: Sequence[Any], kind: ColumnKind) -> Any:
    """All values at once. Raises where one is missing, or is of another kind."""
    found = numpy.array(values)
    if found.dtype.kind not in ("iuU" if kind == "int" else "iufU"):
        raise ValueError
    return found.astype("i8" if kind == "int" else "f8")


def _numbers(values: Sequence[Any], kind: ColumnKind) -> tuple[Any, list[int]]:
    found, wrong = list[Any](), []
    whole = kind == "int"
    for place, value in enumerate(values):
        if value in ("", None):
            found.append(float("nan"))
            whole = False
            continue
        try:
            if isinstance(value, str) and "_" in value:
                raise ValueError
            number = float(value)
            if kind == "int" and isinstance(value, str):
                number = int(value)
            elif kind == "int" and number != int(number):
                raise ValueError
            found.append(value if isinstance(value, int) else number)
        except (ValueError, TypeError, OverflowError):
            found.append(0)
            wrong.append(place)
    try:
        return numpy.array(found, dtype="i8" if whole else "f8"), wrong
    except OverflowError:
        return numpy.array(found, dtype=object), wrong


def _booleans(values: Sequence[Any]) -> tuple[Any, list[int]]:
    found, wrong = list[Any](), []
    for place, value in enumerate(values):
        given = _BOOLEANS.get(value.lower(), value) if isinstance(value, str) else value
        if given in ("", None):
            found.append(None)
        elif isinstance(given, bool):
            found.append(given)
        else:
            found.append(False)
            wrong.append(place)
    return numpy.array(found, dtype=object if None in found else bool), wrong
