"""A whole first run: import, open a store that exists, start a run, log one value, end it."""

import statistics
import subprocess
import sys
from pathlib import Path

import children
from adapters.base import Adapter
from clock import milliseconds

from tasks import Figure, Figures

TITLE = "import, open, start a run, log, end"
FULL = 5
LEAST = 5
FIGURES = {
    "whole_ms": Figure("whole process over `python -c pass`, ms"),
    "heavy": Figure("of pandas, SQLAlchemy, pyarrow: loaded", strict=True),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    with adapter.prepare(Path(folder)) as location:
        words = children.command(sys.executable, "roles.first", adapter.name, location)
        heavy = children.ask("roles.first", adapter.name, location)  # also compiles and caches
        whole = [milliseconds(lambda: spend(words)) for _ in range(n)]
        bare = [milliseconds(lambda: spend([sys.executable, "-c", "pass"])) for _ in range(n)]
    return {"whole_ms": statistics.median(whole) - statistics.median(bare), "heavy": heavy}


def spend(words: list[str]) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
