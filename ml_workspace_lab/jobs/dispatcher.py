"""Brings what the queue says and what the compute target does together, step by step.

The queue and the runs are rows; this holds nothing that another dispatcher could not find out.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field

from ml_workspace_lab.compute.model import Driver
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.store import QueuedJob
from ml_workspace_lab.services import Services
from ml_workspace_lab.trouble import kept_apart

GRACE_SECONDS = 15.0
"""From the request to end a run until its processes are ended by force."""


@dataclass
class _Watched:
    """An attempt that this dispatcher has seen alive."""

    attempt: int
    asked_to_end: float | None = None
    forced: bool = False


@dataclass
class Dispatcher:
    """The dispatcher of one compute target."""

    services: Services
    driver: Driver
    _watched: dict[str, _Watched] = field(default_factory=dict)

    def step(self) -> bool:
        """Look once at every job that has not ended. Returns whether there is any."""
        jobs = store.live(self.services.storage.database)
        self._sweep_ended({job.run_id for job in jobs})
        begun = [job for job in jobs if job.attempt > 0]
        waiting = [job for job in jobs if job.attempt == 0]
        for job in begun:
            with kept_apart(f"run {job.run_id}"):
                self._watch(job)
        for job in waiting:
            if job.cancel_requested is not None:
                with kept_apart(f"run {job.run_id}"):
                    self._finish(job, RunState.CANCELED, "Canceled before it began.")
        free = self.driver.slots - len(begun)
        for job in [job for job in waiting if job.cancel_requested is None][: max(free, 0)]:
            with kept_apart(f"run {job.run_id}"):
                self._begin(job)
        return bool(jobs)

    def _begin(self, job: QueuedJob) -> None:
        """Write down the attempt before it is made: a crash in between is then found out."""
        attempt = job.attempt + 1
        try:
            with self.services.storage.database.write() as transaction:
                self.services.runs.transition(transaction, job.run_id, RunState.STARTING, "")
                store.begin_attempt(transaction, job.run_id, attempt)
        except Conflict:
            return  # Canceled meanwhile: the next step sees it.
        self._submit(job, attempt)

    def _submit(self, job: QueuedJob, attempt: int) -> None:
        try:
            handle = self.driver.submit(job.run_id, attempt, job.submission.python)
        except OSError as error:
            reason = f"The runner could not be started: {error.strerror or error}."
            self._finish(job, RunState.FAILED, reason)
            return
        with self.services.storage.database.write() as transaction:
            store.set_native_id(transaction, job.run_id, handle.native_id)
        self._watched[job.run_id] = _Watched(attempt)

    def _watch(self, job: QueuedJob) -> None:
        if job.native_id is None:
            self._recover(job)
            return
        watched = self._watched.setdefault(job.run_id, _Watched(job.attempt))
        probe = self.driver.poll(job.run_id, job.native_id)
        if not probe.alive:
            self._close(job, probe.reason)
        elif job.cancel_requested is not None:
            self._cancel(job.native_id, watched)

    def _recover(self, job: QueuedJob) -> None:
        """An attempt was written down and its start was not: find it or make it."""
        handle = self.driver.find(job.run_id, job.attempt)
        if handle is None:
            self._submit(job, job.attempt)
            return
        with self.services.storage.database.write() as transaction:
            store.set_native_id(transaction, job.run_id, handle.native_id)

    def _cancel(self, native_id: str, watched: _Watched) -> None:
        """Ask first; end by force when the grace is over."""
        if watched.asked_to_end is None:
            watched.asked_to_end = time.monotonic()
            self.driver.cancel(native_id, force=False)
        elif not watched.forced and time.monotonic() - watched.asked_to_end > GRACE_SECONDS:
            watched.forced = True
            self.driver.cancel(native_id, force=True)

    def _close(self, job: QueuedJob, ending: str) -> None:
        """The runner is gone. Where it did not report an end, this is the end."""
        self.driver.sweep(job.run_id, job.attempt)
        if job.cancel_requested is not None:
            self._finish(job, RunState.CANCELED, "Canceled; its processes were ended.")
        else:
            how = f": {ending}" if ending else " without a word"
            self._finish(job, RunState.FAILED, f"The runner process ended{how}.")

    def _finish(self, job: QueuedJob, state: RunState, reason: str) -> None:
        with suppress(Conflict):  # the runner's own report came first, and is the truth
            self.services.runs.finish(job.run_id, state, reason)

    def _sweep_ended(self, live: set[str]) -> None:
        """Runs that ended since the last step leave no process behind."""
        for run_id in [run_id for run_id in self._watched if run_id not in live]:
            attempt = self._watched[run_id].attempt
            job = store.find(self.services.storage.database, run_id)
            if job is None or job.native_id is None:
                del self._watched[run_id]
            elif not self.driver.poll(run_id, job.native_id).alive:
                self.driver.sweep(run_id, attempt)
                del self._watched[run_id]
