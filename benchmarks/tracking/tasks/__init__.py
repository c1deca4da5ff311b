"""What is measured: one module each, with its TITLE, its sizes, its FIGURES and `run`.

PEERS names those that can do a task that is not for all; FULL is N at scale 1 and LEAST the
smallest N that still says something. `run(adapter, folder, n)` is called in a process of its own,
under the peer's Python, and returns the figures by name.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple, Protocol

from adapters.base import Adapter

Figures = Mapping[str, float | None]
NAMES = [
    "start",
    "log",
    "bulk",
    "history",
    "long",
    "search",
    "search_large",
    "writers",
    "kill",
    "neighbour",
    "wire",
]


class Figure(NamedTuple):
    """One row of the table."""

    label: str
    more_is_better: bool = False
    grows: bool = False
    """Whether it grows with N: peers measured at another N are then compared per unit."""
    strict: bool = False
    """Whether the worst of several turns counts."""


class Task(Protocol):
    """A module of this package."""

    TITLE: str
    FULL: int
    LEAST: int
    FIGURES: Mapping[str, Figure]

    def run(self, adapter: type[Adapter], folder: str, n: int) -> Figures: ...


def task(name: str) -> Task:
    """The task of that name. Raises KeyError."""
    if name not in NAMES:
        raise KeyError(name)
    module: Task = import_module(f"tasks.{name}")
    return module


def size(name: str, adapter: type[Adapter], scale: float) -> int:
    """N for a peer, 0 where it leaves the task out."""
    if adapter.name not in getattr(task(name), "PEERS", (adapter.name,)):
        return 0
    most = adapter.most.get(name, task(name).FULL)
    return min(most, max(task(name).LEAST, int(most * scale)))
