"""Charts of regressors computed from arrays of true and predicted values."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from ml_workspace_lab.client.charts.schemas import Predictions, Residuals
from ml_workspace_lab.client.values import finite_numbers
from ml_workspace_lab.errors import InvalidInput

MAX_BINS = 1000
GREATEST = 1e290
"""Up to here sums of as many values as a list can hold stay within a double."""


def residuals(y_true: Any, y_pred: Any, bins: int = 20) -> Residuals:
    """The histogram of the predicted minus the true values, in bins of equal width."""
    true, predicted = _pair(y_true, y_pred)
    errors = [after - before for before, after in zip(true, predicted, strict=True)]
    edges = _edges(errors, bins)
    return Residuals(
        bin_edges=edges, bin_counts=[len(group) for group in _grouped(errors, errors, edges)]
    )


def predictions(y_true: Any, y_pred: Any, bins: int = 20) -> Predictions:
    """Mean, standard deviation and number of predictions, in bins of true values of equal width."""
    true, predicted = _pair(y_true, y_pred)
    edges = _edges(true, bins)
    groups = _grouped(true, predicted, edges)
    return Predictions(
        bin_averages=[fmean(group) if group else None for group in groups],
        bin_errors=[_deviation(group) if group else None for group in groups],
        bin_counts=[len(group) for group in groups],
        bin_edges=edges,
    )


def _pair(y_true: Any, y_pred: Any) -> tuple[list[float], list[float]]:
    true, predicted = _values(y_true, "y_true"), _values(y_pred, "y_pred")
    if len(true) != len(predicted):
        raise InvalidInput(
            f"y_pred: has {len(predicted)} items, but y_true has {len(true)}.", field="y_pred"
        )
    if not true:
        raise InvalidInput("y_true: is empty.", field="y_true")
    return true, predicted


def _values(given: Any, field: str) -> list[float]:
    found = finite_numbers(given, field)
    if any(abs(value) > GREATEST for value in found):
        raise InvalidInput(f"{field}: goes beyond {GREATEST:g}.", field=field)
    return found


def _edges(values: Sequence[float], bins: int) -> list[float]:
    """`bins` + 1 edges from the least to the greatest value. Where no doubles lie between these,
    around them; fewer where there are fewer doubles."""
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
        raise InvalidInput(f"bins: must be a whole number of 1 to {MAX_BINS:,}.", field="bins")
    low, high = min(values), max(values)
    if low == high:
        low, high = low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2)
    inner = [low * (1 - k / bins) + high * (k / bins) for k in range(1, bins)]
    return sorted({low, *(edge for edge in inner if low < edge < high), high})


def _grouped(
    keys: Sequence[float], values: Sequence[float], edges: Sequence[float]
) -> list[list[float]]:
    """The values by the bin of their keys; the last bin has its upper edge too."""
    groups: list[list[float]] = [[] for _ in edges[1:]]
    for key, value in zip(keys, values, strict=True):
        groups[min(bisect_right(edges, key), len(groups)) - 1].append(value)
    return groups


def _deviation(group: Sequence[float]) -> float:
    mean = fmean(group)
    return math.hypot(*(value - mean for value in group)) / math.sqrt(len(group))
