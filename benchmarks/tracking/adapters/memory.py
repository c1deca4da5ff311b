"""The floor: a list in memory. Nothing survives the process."""

from collections.abc import Mapping
from typing import ClassVar

from data import Series

from adapters.base import Adapter


class MemoryRun:
    """Lists of values by metric."""

    def __init__(self, number: int) -> None:
        self.id = str(number)
        self.values: dict[str, list[float]] = {}

    def log(self, name: str, value: float, step: int) -> None:  # noqa: ARG002 - it is the place
        self.values.setdefault(name, []).append(value)

    def log_series(self, series: Mapping[str, Series]) -> None:
        for name, one in series.items():
            self.values.setdefault(name, []).extend(one.values)

    def finish(self) -> None:
        """Nothing to do."""


class Memory(Adapter):
    """Only this process sees it, so that tasks of several processes leave it out."""

    name = "floor-memory"
    venv = "floor"
    most: ClassVar = dict.fromkeys(
        ("history", "long", "search", "search_large", "writers", "kill", "neighbour"), 0
    )

    def __init__(self, location: str) -> None:  # noqa: ARG002 - it has none
        self.runs: list[MemoryRun] = []

    def start_run(self) -> MemoryRun:
        self.runs.append(MemoryRun(len(self.runs)))
        return self.runs[-1]

    def history(self, run_id: str, name: str) -> tuple[list[int], list[float]]:
        values = self.runs[int(run_id)].values[name]
        return list(range(len(values))), list(values)
