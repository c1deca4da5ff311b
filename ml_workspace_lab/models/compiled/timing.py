"""Which of two engines is faster."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from ml_workspace_lab.models.compiled.model import Speed

BATCH = 256
_SECONDS = 0.4
_CALLS = (5, 200)


def speeds(native: Callable[[Any], Any], onnx: Callable[[Any], Any], rows: Any) -> Speed:
    """The median time of a call with these rows, of each: they take turns, so that what else the
    machine does meets both."""
    native(rows)
    onnx(rows)
    least, most = _CALLS
    times: tuple[list[float], list[float]] = ([], [])
    until = time.perf_counter() + _SECONDS
    while len(times[0]) < least or (len(times[0]) < most and time.perf_counter() < until):
        for call, found in zip((native, onnx), times, strict=True):
            began = time.perf_counter()
            call(rows)
            found.append(time.perf_counter() - began)
    return Speed(*(round(median(found) * 1e6, 1) for found in times))


def of_length(rows: Any, length: int) -> Any:
    """That many rows, the given ones again and again."""
    import numpy as np

    return np.resize(rows, (length, rows.shape[1]))
