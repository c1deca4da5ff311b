"""Times of what is short."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

SECONDS = 2.0
MOST = 50


def milliseconds(call: Callable[[], Any]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def median_ms(call: Callable[[], Any]) -> float:
    """The median of at least three calls, and of as many as fit into two seconds."""
    taken: list[float] = []
    until = time.perf_counter() + SECONDS
    while len(taken) < 3 or (time.perf_counter() < until and len(taken) < MOST):
        taken.append(milliseconds(call))
    return statistics.median(taken)


def percentile(sample: Sequence[float], share: float) -> float:
    """The value that `share` of the sample does not exceed: one that was seen."""
    ordered = sorted(sample)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
