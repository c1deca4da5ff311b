"""The same search over as many runs as a large team makes; no peer loads them in bearable time."""

from tasks.search import FIGURES, run

__all__ = ["FIGURES", "FULL", "LEAST", "TITLE", "run"]

TITLE = "search over many runs"
FULL = 100_000
LEAST = 1_000
