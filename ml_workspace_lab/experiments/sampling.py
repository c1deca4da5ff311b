"""Fewer points that look the same: the least and the greatest value of each stretch are kept."""

from typing import TYPE_CHECKING

from ml_workspace_lab.storage.chunks import Columns

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

BUCKET = 256
"""Points that one pair of a chunk's preview stands for."""
PREVIEWED = 4096
"""A chunk of so many points has a preview."""


def preview(columns: Columns) -> Columns | None:
    """The chunk's points reduced to a pair for each bucket; None where there are few."""
    count = len(columns.steps)
    return columns.at(extremes(columns, count // BUCKET)) if count >= PREVIEWED else None


def sampled(columns: Columns, points: int) -> Columns:
    """At most `points` points (at least 2): the first, the last, and the least and the greatest
    value of each of equal stretches, so that no spike is lost."""
    if len(columns.steps) <= points:
        return columns
    return columns.at(extremes(columns, max(1, (points - 2) // 2)))


def extremes(columns: Columns, buckets: int) -> "NDArray[int64]":
    """The places of each bucket's least and greatest value, of the first and of the last point."""
    import numpy as np

    values = columns.values
    count = len(values)
    lows = highs = values
    if np.isnan(values).any():
        lows = np.where(np.isnan(values), np.inf, values)
        highs = np.where(np.isnan(values), -np.inf, values)
    width = -(-count // buckets)
    whole = count // width
    found = [np.array([0, count - 1])]
    for column, pick in ((lows, np.argmin), (highs, np.argmax)):
        table = column[: whole * width].reshape(whole, width)
        found.append(pick(table, axis=1) + np.arange(whole) * width)
        if whole * width < count:
            found.append(np.array([whole * width + pick(column[whole * width :])]))
    return np.unique(np.concatenate(found))
