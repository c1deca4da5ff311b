"""The pictures of binned values: the histogram of residuals, and predicted against true values."""

import math
from collections.abc import Sequence
from itertools import pairwise

from ml_workspace_lab.api.types import number_from_wire
from ml_workspace_lab.client.charts.schemas import Predictions, Residuals
from ml_workspace_lab.client.charts.svg import COLORS, GRID, Panel, document, element, label, line

_LEFT, _TOP, _WIDTH, _HEIGHT = 76, 64, 480, 280
_SIZE = (_LEFT + _WIDTH + 32, _TOP + _HEIGHT + 56)


def draw_residuals(data: Residuals, title: str, about: str) -> str:
    """The number of residuals in each bin as bars; zero is marked where it is among them."""
    edges = data.bin_edges
    panel = _panel((edges[0], edges[-1]), (0, max(data.bin_counts) or 1))
    parts = [panel.frame("residual (predicted - true)", "count")]
    for (low, high), count in zip(pairwise(edges), data.bin_counts, strict=True):
        parts.append(_bar(panel, low, high, count))
    if edges[0] <= 0 <= edges[-1]:
        ends = [(panel.x(0), _TOP), (panel.x(0), _TOP + _HEIGHT)]
        parts.append(line(ends, COLORS[1], 2))
    return document(*_SIZE, title, about, parts)


def draw_predictions(data: Predictions, title: str, about: str) -> str:
    """The mean prediction of each bin of true values with its standard deviation, over the line on
    which both are the same. Bins without one, or with one that is not finite, have no mark."""
    marks = _marks(data)
    edges = data.bin_edges
    heights = [value for _, mean, error in marks for value in (mean - error, mean + error)]
    panel = _panel((edges[0], edges[-1]), _span([*heights, edges[0], edges[-1]]))
    ends = [(panel.x(edge), panel.y(edge)) for edge in (edges[0], edges[-1])]
    parts = [panel.frame("true value", "predicted value"), line(ends, GRID, 2)]
    for x, mean, error in marks:
        at = panel.x(x)
        upper, lower = panel.y(mean + error), panel.y(mean - error)
        parts.append(line([(at, upper), (at, lower)], COLORS[0]))
        for y in (upper, lower):
            parts.append(line([(at - 4, y), (at + 4, y)], COLORS[0]))
        parts.append(element("circle", cx=at, cy=panel.y(mean), r=4, fill=COLORS[0]))
    without = len(data.bin_counts) - len(marks)
    if without:
        note = f"{without} of {len(data.bin_counts)} bins have no mean."
        parts.append(label(_LEFT + _WIDTH, 56, note, anchor="end", size=11, fill="#666666"))
    return document(*_SIZE, title, about, parts)


def _panel(x_range: tuple[float, float], y_range: tuple[float, float]) -> Panel:
    return Panel(_LEFT, _TOP, _WIDTH, _HEIGHT, x_range, y_range)


def _bar(panel: Panel, low: float, high: float, count: float) -> str:
    x, y = panel.x(low), panel.y(count)
    return element(
        "rect",
        x=x,
        y=y,
        width=max(0.5, panel.x(high) - x - 1),
        height=panel.y(0) - y,
        fill=COLORS[0],
    )


def _marks(data: Predictions) -> list[tuple[float, float, float]]:
    """The middle of each bin that has predictions, their mean and their standard deviation."""
    bins = zip(
        pairwise(data.bin_edges), data.bin_averages, data.bin_errors, data.bin_counts, strict=True
    )
    marks = [
        (low / 2 + high / 2, number_from_wire(mean), number_from_wire(error))
        for (low, high), mean, error, count in bins
        if count and mean is not None and error is not None
    ]
    return [mark for mark in marks if math.isfinite(mark[1] - mark[2] + mark[1] + mark[2])]


def _span(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)
