"""A figure, what it was meant to be, and the table of all of them."""

import os
import platform
from collections.abc import Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """`spread`: the seconds of each repetition; `most` and `least`: the target."""

    what: str
    value: float
    unit: str
    spread: Sequence[float] = ()
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool | None:
        if self.most is not None:
            return self.value <= self.most
        return None if self.least is None else self.value >= self.least

    def cells(self) -> list[str]:
        spread = (
            f"{1000 * min(self.spread):.0f}-{1000 * max(self.spread):.0f}" if self.spread else ""
        )
        target = f"≤ {self.most:g}" if self.most is not None else ""
        target = f"≥ {self.least:g}" if self.least is not None else target
        verdict = {None: "", True: "met", False: "**not met**"}[self.met]
        return [self.what, f"{self.value:.4g} {self.unit}", spread, target, verdict]


def report(figures: Sequence[Figure]) -> str:
    """A table in Markdown."""
    rows = [["", "median", "least-most", "target", ""], *(figure.cells() for figure in figures)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "| --- " * len(rows[0]) + "|")
    head = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}."
    )
    return "\n".join([head, "", *lines])
