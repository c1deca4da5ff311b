"""Tables as they are kept: columns of equal length, whatever they were given as."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.client.values import dumps, scalar, sequence
from ml_workspace_lab.errors import InvalidInput

Columns = dict[str, list[Scalar]]


def table(value: Any, description: str = "") -> bytes:
    """`{"columns": {name: values}}` as JSON, of a mapping of columns or a data frame (pandas,
    Polars or Arrow); NaN and infinities travel as their names, what is missing as null."""
    return table_json(columns(value), description)


def table_json(found: Columns, description: str = "") -> bytes:
    head = {"description": description} if description else {}
    return dumps({**head, "columns": found}, "value")


def columns(value: Any) -> Columns:
    """Columns by name. Raises InvalidInput where they differ in length or a cell can't be kept."""
    given = _by_name(value)
    checked = {_column_name(name): _cells(name, values) for name, values in given.items()}
    if len({len(values) for values in checked.values()}) > 1:
        lengths = ", ".join(f"{name}: {len(values)}" for name, values in checked.items())
        raise InvalidInput(f"value: the columns differ in length ({lengths}).", field="value")
    return checked


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of all parts below each other; a cell that a part has no column for is None."""
    names = dict.fromkeys(name for part in parts for name in part)
    heights = [max(map(len, part.values()), default=0) for part in parts]
    return {
        name: [
            cell
            for part, height in zip(parts, heights, strict=True)
            for cell in part.get(name, [None] * height)
        ]
        for name in names
    }


def _by_name(value: Any) -> Mapping[Any, Any]:
    if hasattr(value, "to_pydict"):
        return _named(value.column_names, value.columns)
    if hasattr(value, "columns") and hasattr(value, "__getitem__"):
        frame = _with_index(value)
        names = list(frame.columns)
        # By name a frame with a name twice gives both columns at once: it must be seen before.
        return _named(names, [frame[name] for name in names] if len({*names}) == len(names) else ())
    if not isinstance(value, Mapping):
        raise InvalidInput(
            "value: must be columns by name: {name: values}, or a data frame.", field="value"
        )
    return value


def _with_index(frame: Any) -> Any:
    """The frame, with an index that says something as columns before the others."""
    if not hasattr(frame, "reset_index") or list(frame.index) == list(range(len(frame))):
        return frame
    try:
        return frame.reset_index()
    except ValueError as error:
        raise InvalidInput(
            f"value: the index can't become a column: {error}.", field="value"
        ) from None


def _named(names: Sequence[Any], values: Sequence[Any]) -> Mapping[Any, Any]:
    if len({*names}) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise InvalidInput(f"value: the column {twice!r} stands twice.", field="value")
    return dict(zip(names, values, strict=True))


def _column_name(name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidInput(f"value: the column name {name!r} is not text.", field="value")
    return name


def _cells(name: str, values: Any) -> list[Scalar]:
    items = sequence(values, f"value.{name}")
    # In a column of text or of anything NaN is pandas' sign for nothing; in one of numbers a value.
    numbers = getattr(getattr(values, "dtype", None), "kind", "") != "O"
    return [scalar(_present(item, numbers), f"value.{name}") for item in items]


def _present(item: Any, numbers: bool) -> Any:
    """None in place of pandas' own signs for what is missing."""
    if type(item).__name__ in ("NAType", "NaTType"):
        return None
    return item if numbers or not isinstance(item, float) or item == item else None
