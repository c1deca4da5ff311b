"""Brings what the queue says and what the compute target does together, step by step.

The queue and the runs are rows; this holds nothing that another dispatcher could not find out.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass, field

from ml_workspace_lab.compute.driver import Driver, Handle, Refused, Unreachable
from ml_workspace_lab.compute.model import Quotas
from ml_workspace_lab.errors import Conflict, Unavailable
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.address import AUTO, Listening
from ml_workspace_lab.jobs.ending import AttemptEnd
from ml_workspace_lab.jobs.launches import launch_of, url_for
from ml_workspace_lab.jobs.model import kind_of
from ml_workspace_lab.jobs.pauses import Pauses
from ml_workspace_lab.jobs.store import QueuedJob, QueueEntry
from ml_workspace_lab.jobs.turns import room_of, whose_turn
from ml_workspace_lab.jobs.watch import Watch
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.trouble import kept_apart

SOON = 0.02
"""Seconds until the next look while something is about to change."""
LATER = 0.2
PRINTING = ("script", "command")
"""What comes from these comes through a pipe; from a kernel come messages."""
AT_ONCE = 100
"""Attempts that are begun in one step."""


@dataclass
class Dispatcher:
    """The dispatcher of one compute target."""

    services: Services
    target: str
    driver: Driver
    quotas: Quotas = field(default_factory=Quotas)
    workspace_url: str | None = None
    _last_event: int = -1
    _served: dict[str, int] = field(default_factory=dict)
    """Where one job is begun at a time, this is what lets users take turns; another dispatcher
    begins anew with it."""

    def __post_init__(self) -> None:
        self._watch = Watch(self.services, self.driver)
        self._listening = Listening(self.services.storage.root)
        self._pauses = Pauses(self.services, self.target)

    def step(self) -> float:
        """Look once at every job that is not over; seconds until the next look is due, where
        nothing happens before."""
        database = self.services.storage.database
        self._pauses.look()
        begun = store.entries(database, self.target, ("begun", "leaving"))
        if begun and url_for(self.workspace_url, self.driver) == AUTO:
            self._listening.look()
        known = [entry for entry in begun if entry.native_id is not None]
        for entry in begun:
            if entry.native_id is None:
                with kept_apart(f"run {entry.run_id}"), suppress(Unreachable):
                    self._recover(entry)
        in_a_moment = self._watch.look([(entry, self._handle(entry)) for entry in known])
        self._release_held()
        in_a_moment = self._begin_next() or in_a_moment
        return SOON if in_a_moment else LATER

    def _begin_next(self) -> bool:
        """Begin what there is room for; whether there may be room for more."""
        database = self.services.storage.database
        begun = store.entries(database, self.target, ("begun", "leaving"))
        room = room_of(self.driver.capacity(), self.quotas)
        free = AT_ONCE if room.runs is None else min(room.runs - len(begun), AT_ONCE)
        if free <= 0:
            return False
        lines = store.next_in_line(database, self.target, free)
        chosen = whose_turn(begun, lines, room, now(), self._served)[:free]
        for entry in chosen:
            self._served[entry.owner] = max(self._served.values(), default=0) + 1
            with kept_apart(f"run {entry.run_id}"):
                self._begin(entry)
        return len(chosen) == AT_ONCE

    def _begin(self, entry: QueueEntry) -> None:
        """Write down the attempt before it is made: a crash in between is then found out."""
        attempt = entry.attempt + 1
        files = self.services.storage.run(entry.run_id)
        if attempt > 1 and files.work.exists():
            shutil.rmtree(files.work)  # What an earlier attempt left is not this one's.
        try:
            with self.services.storage.database.write() as transaction:
                if not store.begin_attempt(transaction, entry.run_id, attempt):
                    return  # Canceled meanwhile.
                job = store.find(transaction, entry.run_id)
                assert job is not None
                self.services.runs.transition(transaction, entry.run_id, RunState.STARTING, "")
        except Conflict:
            return  # Ended meanwhile, or in the trash.
        self._submit(job)

    def _submit(self, job: QueuedJob) -> None:
        try:
            target = self.services.computes.target(self.target)
            if "shared_fs" in self.driver.capabilities and kind_of(job.submission.job) in PRINTING:
                self._watch.outputs.make(self.services.storage.run(job.run_id))
            handle = self.driver.submit(launch_of(self.services, target, self.driver, job))
        except (Unreachable, Unavailable):
            return  # The next step finds it, or submits again.
        except (Refused, OSError) as error:
            said = (error.strerror if isinstance(error, OSError) else None) or error
            reason = f"The runner could not be started: {said}."
            self._conclude(job, AttemptEnd(RunState.FAILED, reason))
            return
        self._begun(job, handle)

    def _begun(self, job: QueueEntry, handle: Handle) -> None:
        with self.services.storage.database.write() as transaction:
            store.set_native_id(transaction, job.run_id, job.attempt, handle.native_id)

    def _recover(self, entry: QueueEntry) -> None:
        """An attempt was written down and its start was not: find it or make it."""
        handle = self.driver.find(entry.run_id, entry.attempt)
        if handle is not None:
            self._begun(entry, handle)
        elif entry.stage == "leaving" or entry.ended:
            self._watch.leave(entry, None)
        elif entry.cancel_requested is not None:
            self._conclude(entry, AttemptEnd(RunState.CANCELED, "Canceled before it began."))
        elif job := store.find(self.services.storage.database, entry.run_id):
            self._submit(job)

    def _conclude(self, entry: QueueEntry, end: AttemptEnd) -> None:
        with suppress(Conflict):  # the runner's own report came first, and is the truth
            self.services.jobs.conclude(entry.run_id, entry.attempt, end)

    def _release_held(self) -> None:
        """Let the jobs go on whose other runs have ended; looked at when anything has changed."""
        database = self.services.storage.database
        last = store.last_event(database)
        if last == self._last_event:
            return
        for run_id, failed in store.decided(database, self.target):
            with kept_apart(f"run {run_id}"), database.write() as transaction:
                if failed is None:
                    store.set_stage(transaction, run_id, "waiting")
                    continue
                store.set_stage(transaction, run_id, "over")
                reason = f"Canceled: run {failed}, which it waited for, did not complete."
                with suppress(Conflict):
                    self.services.runs.transition(transaction, run_id, RunState.CANCELED, reason)
        self._last_event = last

    def _handle(self, entry: QueueEntry) -> Handle:
        assert entry.native_id is not None
        return Handle(self.target, entry.native_id, entry.run_id, entry.attempt)
