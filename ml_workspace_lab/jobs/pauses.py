"""Pauses between two attempts, where the clock that they were measured by is put back."""

import time
from dataclasses import dataclass

from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.ending import backoff_seconds
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.database import now

STEP_SECONDS = 1.0


@dataclass
class Pauses:
    """Of the jobs of one target: none is longer than its retry says, from when it is seen here."""

    services: Services
    target: str
    _offset: float | None = None
    """What the clock on the wall showed more than one that nobody sets."""

    def look(self) -> None:
        """Shorten what has become too long; looked at first, and when the clock was put back."""
        before, self._offset = self._offset, time.time() - time.monotonic()
        if before is None or self._offset < before - STEP_SECONDS:
            database, moment = self.services.storage.database, now()
            for run_id in store.paused(database, self.target, moment):
                self._shorten(run_id, moment)

    def _shorten(self, run_id: str, moment: int) -> None:
        with self.services.storage.database.write() as transaction:
            job = store.find(transaction, run_id)
            if job is not None:
                pause = backoff_seconds(job.submission.retry, job.attempt)
                store.wait_until_at_most(transaction, run_id, moment + round(pause * 1000))
