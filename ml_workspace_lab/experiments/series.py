"""Points of metrics as series and summaries: pure functions over what journals hold."""

import math
from collections.abc import Iterable

from ml_workspace_lab.api.types import number_from_wire, number_to_wire
from ml_workspace_lab.experiments.model import MetricSeries, MetricSummary
from ml_workspace_lab.storage.journal import Point


def series(points: Iterable[Point], name: str | None = None) -> list[MetricSeries]:
    """The points of each metric (or of `name` alone) in the order of their times."""
    by_key: dict[str, list[Point]] = {}
    for point in points:
        if name is None or point.key == name:
            by_key.setdefault(point.key, []).append(point)
    return [_series(key, by_key[key]) for key in sorted(by_key)]


def _series(key: str, points: list[Point]) -> MetricSeries:
    # A stable sort: points of one process and one millisecond keep the order of their calls.
    ordered = sorted(points, key=lambda point: point.time)
    return MetricSeries(
        name=key,
        steps=[point.step for point in ordered],
        times=[point.time for point in ordered],
        values=[number_to_wire(point.value) for point in ordered],
    )


def summary(one: MetricSeries) -> MetricSummary:
    """`last` is the value of the greatest step, the later one where steps are equal."""
    steps = one.steps
    last = max(range(len(steps)), key=lambda index: (steps[index], index))
    numbers = [v for v in map(number_from_wire, one.values) if not math.isnan(v)]
    return MetricSummary(
        count=len(steps),
        last=one.values[last],
        last_step=steps[last],
        min=number_to_wire(min(numbers)) if numbers else None,
        max=number_to_wire(max(numbers)) if numbers else None,
    )
