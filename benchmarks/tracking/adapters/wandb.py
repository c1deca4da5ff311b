"""Weights & Biases, offline: a file for each run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from data import Series

from adapters.base import Adapter
from adapters.wandb_file import history

os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}


class WandbRun:
    """The process's run: there is one at a time."""

    def __init__(self, folder: str) -> None:
        import wandb

        quiet = wandb.Settings(console="off", x_disable_stats=True, save_code=False)
        self.run = wandb.init(project="bench", dir=folder, settings=quiet)
        self.id: str = self.run.id

    def log(self, name: str, value: float, step: int) -> None:
        self.run.log({name: value}, step=step)

    def log_series(self, series: Mapping[str, Series]) -> None:
        for step, row in enumerate(zip(*(one.values for one in series.values()), strict=True)):
            self.run.log(dict(zip(series, row, strict=True)), step=step)

    def finish(self) -> None:
        self.run.finish()


class Wandb(Adapter):
    """Without its measurements of the system, and without a copy of the code and the console."""

    name = "wandb"
    venv = "wandb"
    most: ClassVar = {
        "log": 20_000,
        "bulk": 200_000,
        "long": 50_000,
        "search": 0,
        "search_large": 0,
        "writers": 2_000,
        "neighbour": 0,
    }

    def __init__(self, location: str) -> None:
        import wandb  # noqa: F401 - what opening it costs

        self.folder = location

    def start_run(self) -> WandbRun:
        return WandbRun(self.folder)

    def history(self, run_id: str, name: str) -> tuple[list[Any], list[Any]]:
        """From the whole file: the package has no reader."""
        file = next(Path(self.folder).glob(f"wandb/offline-run-*/run-{run_id}.wandb"), None)
        return history(file, name) if file else ([], [])
