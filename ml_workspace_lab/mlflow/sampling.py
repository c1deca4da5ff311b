"""Fewer points of a series: one of each of equal stretches, the one that stands out most.

Clients expect one point a stretch, the first where all are alike, and the series' end; a point
that stands out must not be lost either.
"""

from typing import TYPE_CHECKING

from ml_workspace_lab.storage.chunks import Columns

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray


def sampled(columns: Columns, wanted: int) -> Columns:
    """At most `wanted` of the points, in their order."""
    import numpy as np

    count = len(columns.steps)
    if count <= wanted:
        return columns
    ends = np.array([0, count - 1] if wanted > 1 else [count - 1])
    sizes = np.full(wanted, count // wanted)
    sizes[: count % wanted] += 1
    begins = np.cumsum(sizes) - sizes
    stretch = np.repeat(np.arange(wanted), sizes)
    outstanding = _outstanding(columns, begins, sizes, stretch)
    highest = np.maximum.reduceat(outstanding, begins)
    found = np.flatnonzero(outstanding == highest[stretch])
    _, first = np.unique(stretch[found], return_index=True)
    inner = np.setdiff1d(found[first], ends)
    # Room for the ends: what stands out least gives way, of equal ones the last.
    left = np.lexsort((-inner, outstanding[inner]))[len(ends) + len(inner) - wanted :]
    return columns.at(np.sort(np.concatenate((ends, inner[left]))))


def _outstanding(
    columns: Columns,
    begins: "NDArray[int64]",
    sizes: "NDArray[int64]",
    stretch: "NDArray[int64]",
) -> "NDArray[float64]":
    """How far each value is from the mean of its stretch; NaN stands out least."""
    import numpy as np

    with np.errstate(all="ignore"):
        values = np.where(np.isfinite(columns.values), columns.values, 0.0)
        means = (np.add.reduceat(values / sizes[stretch], begins))[stretch]
        distance = np.abs(columns.values - means)
    return np.where(np.isnan(distance), -1.0, distance)
