"""Trackio: a SQLite file for each project."""

import os
import sqlite3
from collections.abc import Mapping
from typing import Any, ClassVar

from data import Series

from adapters.base import Adapter

PROJECT = "bench"


class TrackioRun:
    """A run, without the measurements of processor and GPU."""

    def __init__(self) -> None:
        import trackio

        self.run = trackio.init(
            project=PROJECT, embed=False, auto_log_cpu=False, auto_log_gpu=False
        )
        self.id: str = self.run.name

    def log(self, name: str, value: float, step: int) -> None:
        self.run.log({name: value}, step=step)

    def log_series(self, series: Mapping[str, Series]) -> None:
        for step, row in enumerate(zip(*(one.values for one in series.values()), strict=True)):
            self.run.log(dict(zip(series, row, strict=True)), step=step)

    def finish(self) -> None:
        self.run.finish()


class Trackio(Adapter):
    """`trackio.init`, and the functions that its commands and its page read with."""

    name = "trackio"
    venv = "trackio"
    most: ClassVar = {
        "log": 50_000,
        "bulk": 500_000,
        "long": 100_000,
        "search": 0,
        "search_large": 0,
        "writers": 5_000,
        "neighbour": 0,
    }

    def __init__(self, location: str) -> None:
        os.environ["TRACKIO_DIR"] = location
        import trackio  # noqa: F401 - what opening it costs

    def start_run(self) -> TrackioRun:
        return TrackioRun()

    def history(self, run_id: str, name: str) -> tuple[list[Any], list[Any]]:
        return self.values(run_id, name, None)

    def sample(self, run_id: str, name: str, points: int) -> tuple[list[Any], list[Any]]:
        return self.values(run_id, name, points)

    def values(self, run_id: str, name: str, points: int | None) -> tuple[list[Any], list[Any]]:
        from trackio.sqlite_storage import SQLiteStorage

        try:
            found = SQLiteStorage.get_metric_values(PROJECT, run_id, name, max_points=points)
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            found = []  # Its table comes with the first values that it writes.
        return [point["step"] for point in found], [point["value"] for point in found]
