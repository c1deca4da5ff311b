"""What is logged: the same numbers for every peer, from a fixed seed.

Every adapter imports it, so that it imports next to nothing itself.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

PARAMS = [f"p{i:02}" for i in range(20)]
METRICS = [f"m{i:02}" for i in range(20)]
TAGS = [f"t{i}" for i in range(5)]
KINDS = [f"kind-{i}" for i in range(10)]

THRESHOLD = 0.5
KIND = "kind-3"
BEGAN = 1_790_000_000_000
"""Milliseconds since 1970."""


class Series(NamedTuple):
    """Points of a metric; steps count from 0, times are in milliseconds."""

    values: list[float]
    times: list[int]


class Row(NamedTuple):
    """A run for the search."""

    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


def series(points: int, seed: int) -> Series:
    """Noise as a model on single precision logs it, at steps of about 50 ms."""
    import random
    from array import array
    from itertools import accumulate

    generator = random.Random(seed)
    values = array("f", (generator.gauss(0, 1) for _ in range(points)))
    gaps = (generator.randrange(45, 56) for _ in range(points))
    return Series(values.tolist(), list(accumulate(gaps, initial=BEGAN))[1:])


def logged(step: int) -> float:
    """The value at a step of a process that logs for as long as it is told to."""
    return step * 0.5


def whole(steps: Sequence[int], values: Sequence[float]) -> int:
    """How many of such a process's values came back. Fails where one came twice."""
    assert len(set(steps)) == len(steps), "values were doubled"
    return sum(bool(value == logged(step)) for step, value in zip(steps, values, strict=True))


def with_spikes(points: int, spikes: int) -> tuple[Series, list[int]]:
    """A series with single points that stand out, and their steps."""
    import random

    made = series(points, 0)
    steps = random.Random(0).sample(range(points), spikes)
    for step in steps:
        made.values[step] = 1000.0
    return made, steps


def rows(n: int) -> Iterator[Row]:
    """Runs of 20 parameters, 20 metrics and 5 tags; the first of them are the same for every n."""
    import random

    generator = random.Random(7)
    for number in range(n):
        params = {name: f"{generator.random():.6f}" for name in PARAMS}
        params["p00"] = generator.choice(KINDS)
        metrics = {name: generator.random() for name in METRICS}
        tags = {name: generator.choice(KINDS) for name in TAGS}
        tags["t0"] = f"run {number}"
        yield Row(params, metrics, tags)


def matches(row: Row) -> bool:
    """What `Adapter.best` and `Adapter.count` look for: about one run in twenty."""
    return row.metrics["m00"] > THRESHOLD and row.params["p00"] == KIND


FILTER = f"metrics.m00 > {THRESHOLD} and params.p00 = '{KIND}'"
ORDER = "metrics.m01 DESC"
