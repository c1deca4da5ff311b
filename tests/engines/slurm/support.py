"""Drivers of the tests' cluster, and attempts that need no workspace."""

import os
import sys
from pathlib import Path

from ml_workspace_lab.compute.driver import Launch
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.slurm.driver import SlurmDriver
from ml_workspace_lab.compute.slurm.settings import SlurmSettings
from ml_workspace_lab.experiments.ids import new_id
from tests.engines.slurm.cluster import Cluster

MEBIBYTE = 1 << 20
PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct")


def driver_of(slurm: Cluster, root: Path, **chosen: object) -> SlurmDriver:
    """One that asks as often as it is asked."""
    settings = {"config": str(slurm.conf), "poll_seconds": 0.1, **chosen}
    return SlurmDriver("cluster", SlurmSettings(**settings), root)  # type: ignore[arg-type]


def launch(*argv: str, memory_mb: int = 100, **more: object) -> Launch:
    """An attempt at a new run."""
    asked = {"memory_bytes": memory_mb * MEBIBYTE, **more}
    return Launch(new_id(), 1, argv, {}, Resources(**asked), None, 5)  # type: ignore[arg-type]


def python(code: str, *arguments: str, **more: int) -> Launch:
    return launch(sys.executable, "-c", code, *arguments, **more)


class Recorded:
    """Slurm's commands, in a folder where each call is written down before it is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "commands"
        self.folder.mkdir()
        self._calls = folder / "calls"
        self._calls.touch()
        for name in PROGRAMS:
            path = self.folder / name
            path.write_text(
                f'#!/bin/sh\necho {name} >>"{self._calls}"\nexec /usr/bin/{name} "$@"\n'
            )
            path.chmod(0o755)

    def taken(self) -> list[str]:
        """The calls since this was asked last."""
        calls = self._calls.read_text().split()
        os.truncate(self._calls, 0)
        return calls
