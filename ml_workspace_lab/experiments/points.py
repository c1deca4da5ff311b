"""Points of metrics, taken apart and summed up: pure functions, without numpy where there are few.

Columns are `array`s where there are few points and numpy's arrays where there are many; both hold
i64, i64 and f64 (type codes q, q, d).
"""

import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from ml_workspace_lab.storage import chunks
from ml_workspace_lab.storage.journal import RECORD

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 512
"""Up to so many points Python is done before numpy would be imported."""

Arrays = tuple["array[int]", "array[int]", "array[float]"]
Points = chunks.Columns | Arrays


class Summary(Struct, frozen=True):
    """A series at a glance. `last` is that of the greatest (step, time, value); `low` and `high`
    leave NaN out and are None where nothing else came."""

    count: int
    last: float
    last_step: int
    last_time: int
    low: float | None
    low_step: int | None
    high: float | None
    high_step: int | None


class Span(NamedTuple):
    """The least and the greatest time and step of some points."""

    first_time: int
    last_time: int
    first_step: int
    last_step: int


def empty() -> Arrays:
    return array("q"), array("q"), array("d")


def from_bytes(raw: bytes, count: int) -> Points:
    """The points whose three columns are `raw`, one after the other."""
    columns = empty()
    width = 8 * count
    columns[0].frombytes(raw[:width])
    columns[1].frombytes(raw[width : 2 * width])
    columns[2].frombytes(raw[2 * width :])
    return columns if count <= FEW else as_columns(columns)


def by_number(records: bytes) -> dict[int, Points]:
    """The points of a journal's records by the number of their metric, in their order."""
    if len(records) // RECORD.size > FEW:
        return _by_number_many(records)
    found: dict[int, Arrays] = {}
    for step, time, value, number, _ in RECORD.iter_unpack(records):
        steps, times, values = found.setdefault(number, empty())
        steps.append(step)
        times.append(time)
        values.append(value)
    return dict(found)


def _by_number_many(records: bytes) -> dict[int, Points]:
    import numpy as np

    kinds = [("step", "<i8"), ("time", "<i8"), ("value", "<f8"), ("number", "<u4"), ("mark", "<u4")]
    table = np.frombuffer(records, np.dtype(kinds))
    order = np.argsort(table["number"], kind="stable")
    numbers = table["number"][order]
    ends = [*(np.flatnonzero(np.diff(numbers)) + 1), len(numbers)]
    found: dict[int, Points] = {}
    begin = 0
    for end in ends:
        part = table[order[begin:end]]
        found[int(numbers[begin])] = chunks.Columns(
            part["step"].copy(), part["time"].copy(), part["value"].copy()
        )
        begin = end
    return found


def joined(parts: Sequence[Points]) -> Points:
    """The points of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part[0], array) for part in parts):
        steps, times, values = empty()
        for part in parts:
            steps.extend(part[0])
            times.extend(part[1])
            values.extend(part[2])
        return steps, times, values
    import numpy as np

    columns = [as_columns(part) for part in parts]
    return chunks.Columns(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def as_columns(points: Points) -> chunks.Columns:
    """The same points as numpy's arrays."""
    import numpy as np

    kinds = ("<i8", "<i8", "<f8")
    return chunks.Columns(*(np.asarray(c, dtype=k) for c, k in zip(points, kinds, strict=True)))


def encode(points: Points) -> bytes:
    """The points as a chunk."""
    steps, times, values = points
    if isinstance(steps, array) and isinstance(times, array) and isinstance(values, array):
        if len(steps) <= FEW:
            return chunks.raw(steps, times, values)
        points = as_columns(points)
    assert isinstance(points, chunks.Columns)
    return chunks.encode(points)


def span(points: Points) -> Span:
    steps, times, _ = points
    if isinstance(times, array) or isinstance(steps, array):
        return Span(min(times), max(times), min(steps), max(steps))
    return Span(int(times.min()), int(times.max()), int(steps.min()), int(steps.max()))


def summary(points: Points) -> Summary:
    """The summary of at least one point."""
    if isinstance(points[0], array):
        return _summary_few(points)
    return _summary_many(as_columns(points))


def _summary_few(points: Points) -> Summary:
    steps, times, values = points
    rows = list(zip(steps, times, values, strict=True))
    step, time, last = max(rows, key=lambda row: (row[0], row[1], _rank(row[2])))
    numbers = [row for row in rows if not math.isnan(row[2])]
    low = min(numbers, key=lambda row: row[2], default=None)
    high = max(numbers, key=lambda row: row[2], default=None)
    return Summary(
        len(rows),
        last,
        step,
        time,
        low[2] if low else None,
        low[0] if low else None,
        high[2] if high else None,
        high[0] if high else None,
    )


def _rank(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _summary_many(columns: chunks.Columns) -> Summary:
    import numpy as np

    steps, times, values = columns
    at = np.flatnonzero(steps == steps.max())
    at = at[times[at] == times[at].max()]
    last = int(at[np.argmax(np.where(np.isnan(values[at]), -np.inf, values[at]))])
    low = high = None
    numbers = np.flatnonzero(~np.isnan(values))
    if len(numbers):
        low = int(numbers[np.argmin(values[numbers])])
        high = int(numbers[np.argmax(values[numbers])])
    return Summary(
        len(steps),
        float(values[last]),
        int(steps[last]),
        int(times[last]),
        None if low is None else float(values[low]),
        None if low is None else int(steps[low]),
        None if high is None else float(values[high]),
        None if high is None else int(steps[high]),
    )


def merged(one: Summary | None, other: Summary) -> Summary:
    """The summary of two groups of points, the earlier group first."""
    if one is None:
        return other
    newest = max(one, other, key=lambda s: (s.last_step, s.last_time, _rank(s.last)))
    lows = [(s.low, s.low_step) for s in (one, other) if s.low is not None]
    highs = [(s.high, s.high_step) for s in (one, other) if s.high is not None]
    low = min(lows, key=lambda pair: pair[0], default=(None, None))
    high = max(highs, key=lambda pair: pair[0], default=(None, None))
    return Summary(
        one.count + other.count, newest.last, newest.last_step, newest.last_time, *low, *high
    )


def without_known(points: Points, known: Sequence[Points]) -> Points | None:
    """The points that are neither in `known` nor twice in `points`; None where none is left."""
    import numpy as np

    rows = _rows(joined([*known, points]))
    _, first = np.unique(rows, return_index=True)
    before = sum(len(part[0]) for part in known)
    fresh = np.sort(first[first >= before]) - before
    if not len(fresh):
        return None
    if len(fresh) == len(points[0]):
        return points
    return as_columns(points).at(fresh)


def _rows(points: Points) -> "NDArray[np.void]":  # type: ignore[name-defined]  # noqa: F821
    """Each point as one comparable thing of 24 bytes."""
    import numpy as np

    columns = as_columns(points)
    table = np.stack([columns.steps, columns.times, columns.values.view("<i8")], axis=1)
    return np.ascontiguousarray(table).view("V24").reshape(-1)


def in_order(columns: chunks.Columns) -> chunks.Columns:
    """The points by time; those of one moment as they were logged."""
    import numpy as np

    if np.all(columns.times[1:] >= columns.times[:-1]):
        return columns
    order = np.argsort(columns.times, kind="stable")
    return columns.at(order)
