"""Brings what the queue says and what the compute target does together, step by step.

The queue and the runs are rows; this holds nothing that another dispatcher could not find out.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field

from ml_workspace_lab.compute.driver import (
    Driver,
    Handle,
    Phase,
    Probe,
    Refused,
    Unreachable,
)
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.launches import GRACE_SECONDS, launch_of
from ml_workspace_lab.jobs.store import QueuedJob
from ml_workspace_lab.services import Services
from ml_workspace_lab.trouble import kept_apart


@dataclass
class _Watched:
    """An attempt that this dispatcher has seen alive."""

    handle: Handle
    asked_to_end: float | None = None
    forced: bool = False


@dataclass
class Dispatcher:
    """The dispatcher of one compute target."""

    services: Services
    target: str
    driver: Driver
    _watched: dict[str, _Watched] = field(default_factory=dict)

    def step(self) -> bool:
        """Look once at every job that has not ended. Returns whether there is any."""
        jobs = store.live(self.services.storage.database)
        self._sweep_ended({job.run_id for job in jobs})
        begun = [job for job in jobs if job.attempt > 0]
        waiting = [job for job in jobs if job.attempt == 0]
        self._watch(begun)
        for job in waiting:
            if job.cancel_requested is not None:
                with kept_apart(f"run {job.run_id}"):
                    self._finish(job, RunState.CANCELED, "Canceled before it began.")
        slots = self.driver.capacity().slots
        free = len(waiting) if slots is None else max(slots - len(begun), 0)
        for job in [job for job in waiting if job.cancel_requested is None][:free]:
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
        launch = launch_of(self.services.storage.root, job, attempt)
        try:
            handle = self.driver.submit(launch)
        except Unreachable:
            return  # The next step finds it, or submits again.
        except (Refused, OSError) as error:
            said = (error.strerror if isinstance(error, OSError) else None) or error
            self._finish(job, RunState.FAILED, f"The runner could not be started: {said}.")
            return
        self._begun(job, handle)

    def _begun(self, job: QueuedJob, handle: Handle) -> None:
        with self.services.storage.database.write() as transaction:
            store.set_native_id(transaction, job.run_id, handle.native_id)
        self._watched[job.run_id] = _Watched(handle)

    def _watch(self, jobs: list[QueuedJob]) -> None:
        known = []
        for job in jobs:
            if job.native_id is not None:
                known.append((job, self._handle(job, job.native_id)))
                continue
            with kept_apart(f"run {job.run_id}"), suppress(Unreachable):
                self._recover(job)
        if not known:
            return
        probes = self.driver.probe([handle for _, handle in known])
        for job, handle in known:
            with kept_apart(f"run {job.run_id}"), suppress(Unreachable):
                self._judge(job, handle, probes[handle])

    def _judge(self, job: QueuedJob, handle: Handle, probe: Probe) -> None:
        if probe.phase is Phase.UNREACHABLE:
            return
        watched = self._watched.setdefault(job.run_id, _Watched(handle))
        if probe.is_over:
            self._close(job, handle, probe.reason)
        elif job.cancel_requested is not None:
            self._cancel(watched)

    def _recover(self, job: QueuedJob) -> None:
        """An attempt was written down and its start was not: find it or make it."""
        handle = self.driver.find(job.run_id, job.attempt)
        if handle is not None:
            self._begun(job, handle)
        elif job.cancel_requested is not None:
            self._finish(job, RunState.CANCELED, "Canceled before it began.")
        else:
            self._submit(job, job.attempt)

    def _cancel(self, watched: _Watched) -> None:
        """Ask first; end by force when the grace is over."""
        if watched.asked_to_end is None:
            self.driver.cancel(watched.handle, grace_s=GRACE_SECONDS)
            watched.asked_to_end = time.monotonic()
        elif not watched.forced and time.monotonic() - watched.asked_to_end > GRACE_SECONDS:
            self.driver.cancel(watched.handle, grace_s=0, force=True)
            watched.forced = True

    def _close(self, job: QueuedJob, handle: Handle, ending: str) -> None:
        """The runner is gone. Where it did not report an end, this is the end."""
        self.driver.sweep(handle)
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
        ended = {
            run_id: seen.handle for run_id, seen in self._watched.items() if run_id not in live
        }
        if not ended:
            return
        probes = self.driver.probe(list(ended.values()))
        for run_id, handle in ended.items():
            with kept_apart(f"run {run_id}"), suppress(Unreachable):
                if probes[handle].is_over:
                    self.driver.sweep(handle)
                    del self._watched[run_id]

    def _handle(self, job: QueuedJob, native_id: str) -> Handle:
        return Handle(self.target, native_id, job.run_id, job.attempt)
