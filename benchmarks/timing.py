"""What the benchmarks share: the table that they print."""

import statistics
from collections.abc import Sequence


def row(what: str, seconds: Sequence[float], floor: Sequence[float] | None = None) -> str:
    """Minimum, median and maximum in ms; how far the median lies over that of `floor`."""
    low, middle, high = (
        1000 * figure for figure in (min(seconds), statistics.median(seconds), max(seconds))
    )
    text = f"{what:<46} {low:8.0f} {middle:8.0f} {high:8.0f}"
    if floor is not None:
        base = 1000 * statistics.median(floor)
        text += f" {middle - base:+8.0f} {middle / base:7.2f}x"
    return text


HEADER = f"{'ms':<46} {'min':>8} {'median':>8} {'max':>8} {'more':>8} {'ratio':>8}"
