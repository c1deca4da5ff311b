"""What users give as Python's own values: numpy, pandas and others are read, never imported."""

import json
import math
import operator
import warnings
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from ml_workspace_lab.api.strict_json import MAX_DEPTH, convert
from ml_workspace_lab.api.types import Key, Scalar, number_to_wire
from ml_workspace_lab.errors import InvalidInput, shown

FAR_FUTURE = 10**13
"""The milliseconds of the year 2286."""

_SECONDS = range(10**9, 41 * 10**8)
"""From 2001 to 2099: what a clock can say."""


def unpacked(value: Any) -> Any:
    """Arrays, series and their scalars as lists and Python's numbers; anything else as it is.
    Raises InvalidInput on numpy's own times."""
    _refuse_times(value, "value")
    for method in ("tolist", "to_list", "to_pylist"):
        if hasattr(value, method):
            return getattr(value, method)()
    return value


def _refuse_times(value: Any, field: str) -> None:
    """numpy's own times would become bare numbers."""
    if hasattr(value, "strides") and getattr(value, "dtype", None) and value.dtype.kind in "mM":
        raise InvalidInput(
            f"{field}: {value.dtype} has no form that says it is a time.",
            field=field,
            hint='Convert it: .astype("str").',
        )


def sequence(values: Any, field: str) -> list[Any]:
    """The items of a one-dimensional sequence or array. Raises InvalidInput on anything else."""
    found = unpacked(values)
    if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
        raise InvalidInput(f"{field}: {type(values).__name__} is not a list.", field=field)
    return list(found)


def numbers(values: Any, field: str) -> list[float]:
    """The items of a sequence as floats, NaN and infinities among them.

    Raises InvalidInput with the place of the first that is not a number.
    """
    return [
        # Most are floats already; the place of one is put into words only where it may be needed.
        item if type(item) is float else number(item, f"{field}[{place}]")
        for place, item in enumerate(sequence(values, field))
    ]


def finite_numbers(values: Any, field: str) -> list[float]:
    """The items of a sequence as floats. Raises InvalidInput also on NaN and infinities."""
    found = numbers(values, field)
    if not all(map(math.isfinite, found)):
        place = next(place for place, value in enumerate(found) if not math.isfinite(value))
        raise InvalidInput(f"{field}[{place}]: {found[place]} is not finite.", field=field)
    return found


def number(value: Any, field: str) -> float:
    """`value` as a float. Raises InvalidInput where it is none, or beyond a double."""
    if not isinstance(value, str | bytes):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
        except OverflowError:
            raise InvalidInput(f"{field}: is beyond what a double can hold.", field=field) from None
    raise InvalidInput(f"{field}: {type(value).__name__} is not a number.", field=field)


def metric_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Values by the names of their metrics. Raises InvalidInput where one of either is none."""
    if not isinstance(metrics, Mapping):
        raise InvalidInput("metrics: must be values by name: {name: value}.", field="metrics")
    try:
        convert(list(metrics), list[Key])
    except InvalidInput as error:
        raise InvalidInput(f"metrics: {error.message}", field="metrics") from None
    return {name: number(value, name) for name, value in metrics.items()}


def scalars(params: Mapping[str, Any]) -> dict[str, Scalar]:
    """Parameters as what JSON can hold: numpy's scalars become Python's."""
    if not isinstance(params, Mapping):
        raise InvalidInput("params: must be parameters by name: {name: value}.", field="params")
    return {name: scalar(value, name) for name, value in params.items()}


def scalar(value: Any, field: str) -> Scalar:
    """Text, a number, a flag or None; what JSON has no token for as text: NaN and infinities by
    their names, dates and times in ISO 8601. Raises InvalidInput on anything else."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        _refuse_times(value, field)
        value = value.item()
    if isinstance(value, float):
        return number_to_wire(float(value))
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    raise InvalidInput(
        f"{field}: {type(value).__name__} is not text, a number, a flag or None.",
        field=field,
        hint="Convert it, or keep it as a file with upload_file.",
    )


def artifact_name(name: Any) -> str:
    """The name of what is kept as a file, which more may be put behind. Raises InvalidInput where
    it is none."""
    if not isinstance(name, str):
        raise InvalidInput(f"name: {type(name).__name__} is not text.", field="name")
    if name.rpartition("/")[2] in ("", "."):
        reason = "ends with a folder's" if name else "is empty"
        raise InvalidInput(f"name: {reason}.", field="name", hint="Give a name such as loss.")
    return name


def as_json(value: Any, field: str) -> bytes:
    """`value` as JSON; NaN, infinities, dates and times as `scalar` writes them.

    Raises InvalidInput on what JSON can't hold whole: keys that are not text, other objects,
    nesting deeper than 64.
    """
    return dumps(plain(value, field), field)


def dumps(value: Any, field: str) -> bytes:
    """What is JSON's already as its bytes. Raises InvalidInput on text that is none."""
    try:
        return json.dumps(convert(value, Any), allow_nan=False).encode()
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error.message}", field=error.field or field) from None


def plain(value: Any, field: str, depth: int = 0) -> Any:
    """`value` as what JSON can hold: text, numbers, flags, None, lists and dictionaries of them."""
    if depth > MAX_DEPTH:
        raise InvalidInput(f"{field}: is nested deeper than {MAX_DEPTH} levels.", field=field)
    value = unpacked(value)
    if isinstance(value, Mapping):
        return {_key(name, field): plain(item, field, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, field, depth + 1) for item in value]
    return scalar(value, field)


def _key(name: Any, field: str) -> str:
    if not isinstance(name, str):
        raise InvalidInput(
            f"{field}: the key {shown(name)} is not text.",
            field=field,
            hint="JSON has keys of text only: 1 and '1' would become the same.",
        )
    return name


def warn_of_clock(time: Any, stacklevel: int = 3) -> None:
    """Say so where a time in milliseconds can only come from a finer clock."""
    if not hasattr(time, "__index__") or time <= FAR_FUTURE:
        return
    time = operator.index(time)
    for unit, divisor in (("microseconds", 1000), ("nanoseconds", 1_000_000)):
        if time // divisor // 1000 in _SECONDS:
            warnings.warn(
                f"time: {time} is kept as milliseconds, which is far in the future. It looks like"
                f" {unit}: give time // {divisor}.",
                UserWarning,
                stacklevel=stacklevel,
            )
