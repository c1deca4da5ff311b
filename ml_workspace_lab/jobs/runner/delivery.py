"""What goes to the workspace whole: artifacts, the output notebook, metrics that are left."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.api.types import number_from_wire
from ml_workspace_lab.errors import NotFound, StorageFull, Unavailable, WorkspaceError
from ml_workspace_lab.experiments.model import MetricPoint
from ml_workspace_lab.experiments.sending import send_artifact
from ml_workspace_lab.jobs.runner.patience import patiently
from ml_workspace_lab.jobs.runner.place import Place
from ml_workspace_lab.storage import spool
from ml_workspace_lab.storage.journal import JournalWriter


class Delivery:
    """Sends them for one attempt. A repeat is safe: they are known by their names."""

    def __init__(self, connection: Connection, place: Place) -> None:
        self._connection = connection
        self._place = place
        self._about = place.about
        self._shown: tuple[int, int] | None = None
        self._waiting: list[tuple[str, Path]] = []
        self._refused = False
        self._journal: JournalWriter | None = None
        self._shipped = 0
        self.unsent = False
        """Whether something stayed here since the workspace could not be reached."""

    def log_metrics(self, points: Sequence[MetricPoint]) -> None:
        """Values that the runner itself measures. Raises StorageFull."""
        if self._journal is None:
            self._journal = JournalWriter(spool.begin(self._about.url, self._about.run_id))
        for point in points:
            self._journal.append(point.name, number_from_wire(point.value), point.step, point.time)

    def show(self) -> None:
        """Send what has changed: the output notebook, what the runner measured."""
        self.show_notebook()
        journal = self._journal
        if journal is not None:
            run_id, folder = self._about.run_id, journal.folder
            taker = _OfAttempt(self._connection, self._about.attempt)
            self._shipped = spool.send(taker, run_id, folder, journal.name, self._shipped)

    def show_notebook(self) -> None:
        """Send the output notebook where it is another than the one that was sent last."""
        try:
            status = self._place.notebook.stat()
        except FileNotFoundError:
            return
        version = (status.st_ino, status.st_mtime_ns)
        if version != self._shown:
            put = self._connection.attempts.put_notebook
            with self._place.notebook.open("rb") as content:
                put(self._about.run_id, self._about.attempt, content=content)
            self._shown = version

    def add(self, name: str, file: Path) -> None:
        """A file that is to be an artifact."""
        self._waiting.append((name, file))

    def deliver(self, patience: float) -> list[str]:
        """Send all of it; what could not be sent, with the reasons. What the workspace could not be
        reached for within the time stays here, which is no fault of the run."""
        problems: list[str] = []
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._try("metrics", self._send_journals, patience, problems)
        for name, file in self._waiting:
            self._try(name, partial(self._put, name, file), patience, problems)
        self._waiting.clear()
        return problems

    def give_up(self) -> None:
        """The workspace takes nothing more."""
        self._refused = True

    def _try(
        self, name: str, action: Callable[[], None], patience: float, problems: list[str]
    ) -> None:
        if self._refused or self.unsent:
            self.unsent = True
            return
        try:
            patiently(action, patience)
        except (Unavailable, StorageFull):
            self.unsent = True
        except (OSError, WorkspaceError) as error:
            problems.append(f"{name}: {error}")

    def _put(self, name: str, file: Path) -> None:
        with file.open("rb") as content:
            send_artifact(self._connection, self._about.run_id, name, content)

    def _send_journals(self) -> None:
        for target in sorted(self._place.spools.glob("*/target.json")):
            run_id = target.parent.name.partition("-")[0]
            own = run_id == self._about.run_id
            taker = _OfAttempt(self._connection, self._about.attempt) if own else self._connection
            try:
                spool.sweep(taker, run_id, target.parent)
            except NotFound:
                continue  # A run that was deleted meanwhile.
            spool.tidy(target.parent)


class _OfAttempt:
    """Takes journals for an attempt, also when its run was given up meanwhile."""

    def __init__(self, connection: Connection, attempt: int) -> None:
        self._connection = connection
        self._attempt = attempt

    @property
    def metrics(self) -> Any:
        return self

    def take(
        self, run_id: str, journal: str, first: int, after_gap: bool = False, *, content: BinaryIO
    ) -> Any:
        take = self._connection.attempts.take
        return take(run_id, self._attempt, journal, first, after_gap, content=content)
