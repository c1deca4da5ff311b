"""Where a workspace keeps everything: one folder with a database, contents and running work."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workspace_lab.storage.blobs import BLOBS, Blobs
from ml_workspace_lab.storage.engine import open_database

if TYPE_CHECKING:
    from ml_workspace_lab.storage.uploads import Uploads


class Storage:
    """The folder of one workspace."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = open_database(root)
        self.blobs = Blobs(root / BLOBS, self.database)

    @property
    def temporary(self) -> Path:
        folder = self.root / "tmp"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def run(self, run_id: str) -> "RunFolder":
        return RunFolder(self.root / "runs" / run_id)

    def has_files(self, run_id: str) -> bool:
        """Whether the run has written anything: as quickly."""
        try:
            return bool(os.listdir(f"{self.root}/runs/{run_id}"))  # noqa: PTH208
        except FileNotFoundError:
            return False

    def has_metrics(self, run_id: str) -> bool:
        """Whether there may be journals of the run: quickly, since it is asked of whole pages."""
        return os.path.isdir(f"{self.root}/runs/{run_id}/metrics")  # noqa: PTH112

    @property
    def uploads(self) -> "Uploads":
        from ml_workspace_lab.storage.uploads import Uploads

        return Uploads(self.root)

    def endpoint(self, name: str) -> Path:
        return self.root / "endpoints" / name

    def instance(self, name: str) -> Path:
        return self.root / "instances" / name


AHEAD_SECONDS = 10.0
"""A sign of life that lies further ahead than this is one from before the clock was put back: it
counts from now on."""


class RunFolder:
    """What a run writes while it goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lock(self) -> Path:
        """Held by the process that does the run's work for as long as it lives."""
        return self.path / "lock"

    @property
    def heartbeat(self) -> Path:
        """Touched for a process on another machine, whose lock can't be seen here."""
        return self.path / "heartbeat"

    def silence(self) -> float:
        """Seconds since that process was last heard of; 0 where it is on this machine, or has just
        begun."""
        try:
            moment = time.time()
            silence = moment - self.heartbeat.stat().st_mtime
            if silence < -AHEAD_SECONDS:
                with suppress(OSError):  # a disk that takes no writes
                    os.utime(self.heartbeat, (moment, moment))
        except FileNotFoundError:
            return 0.0
        return silence

    @property
    def metrics(self) -> Path:
        return self.path / "metrics"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def output(self) -> Path:
        """The pipe through which a program's output comes. It is there for as long as one process
        has it open: the runner, the dispatcher, or the program itself."""
        return self.path / "output.pipe"

    @property
    def taken(self) -> Path:
        """What was taken out of that pipe and may not be in the log yet."""
        return self.path / "output.taken"

    @property
    def notebook(self) -> Path:
        """The output notebook as far as it has come."""
        return self.path / "notebook.ipynb"

    @property
    def work(self) -> Path:
        """The working directory of the run's code."""
        return self.path / "work"

    def create(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
