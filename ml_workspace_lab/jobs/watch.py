"""What becomes of attempts that have begun: the engine's evidence, judged."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ml_workspace_lab.compute.driver import Driver, Handle, Phase, Probe, Unreachable
from ml_workspace_lab.errors import Conflict, StorageFull
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.experiments.runs import LEASE_SECONDS
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.ending import AttemptEnd
from ml_workspace_lab.jobs.launches import GRACE_SECONDS
from ml_workspace_lab.jobs.model import Cause
from ml_workspace_lab.jobs.outputs import Outputs
from ml_workspace_lab.jobs.records import STOPPED
from ml_workspace_lab.jobs.store import QueueEntry
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import is_held
from ml_workspace_lab.storage.storage import RunFolder
from ml_workspace_lab.trouble import kept_apart

OVERTIME_SECONDS = 2 * GRACE_SECONDS
"""How long after its time limit a runner has to end its work by itself."""
LAST_WORDS = 2_000
"""Bytes of what a runner printed that are looked at."""
PATIENCE_SECONDS = 60.0
"""How long a cancel waits for a target that does not answer."""


@dataclass
class _Seen:
    """What this process remembers of an attempt; another one would begin anew."""

    time_limit: float | None
    running_since: float | None = None
    asked_to_end: float | None = None
    forced: bool = False
    leaving_since: float | None = None
    waits_for: str = ""


@dataclass
class Watch:
    """Looks at the attempts of one target."""

    services: Services
    driver: Driver
    outputs: Outputs = field(default_factory=Outputs)
    _seen: dict[tuple[str, int], _Seen] = field(default_factory=dict)

    def look(self, begun: Sequence[tuple[QueueEntry, Handle]]) -> bool:
        """Ask the engine about all of them at once and act on it; whether something is about to
        change."""
        self._forget({(entry.run_id, entry.attempt) for entry, _ in begun})
        if not begun:
            return False
        probes = self.driver.probe([handle for _, handle in begun])
        in_a_moment = False
        for entry, handle in begun:
            with kept_apart(f"run {entry.run_id}"), suppress(Unreachable):
                self.outputs.adopt(self._files(entry))
                if entry.stage == "leaving" or entry.ended:
                    in_a_moment = not self._see_off(entry, handle, probes[handle]) or in_a_moment
                else:
                    self._judge(entry, handle, probes[handle])
        return in_a_moment

    def leave(self, entry: QueueEntry, handle: Handle | None) -> None:
        """Nothing of the attempt goes on: its place is free, or the next attempt's."""
        if handle is not None:
            self._sweep(entry, handle)
        self.outputs.release(self._files(entry))
        with self.services.storage.database.write() as transaction:
            job = store.find(transaction, entry.run_id)
            if job is not None and job.attempt == entry.attempt:
                store.move_on(transaction, entry.run_id, "over" if job.ended else "waiting")
        self._seen.pop((entry.run_id, entry.attempt), None)

    def _sweep(self, entry: QueueEntry, handle: Handle) -> None:
        """End what is left of the attempt, and keep what it has printed."""
        self.driver.sweep(handle)
        with suppress(StorageFull):
            self.outputs.rescue(self._files(entry))

    def _see_off(self, entry: QueueEntry, handle: Handle, probe: Probe) -> bool:
        """After the end of an attempt nothing of it may stay; whether that is so. What does not
        leave by itself is ended."""
        seen = self._memory(entry)
        seen.leaving_since = seen.leaving_since or time.monotonic()
        late = time.monotonic() - seen.leaving_since > GRACE_SECONDS
        if late and probe.phase in (Phase.PENDING, Phase.RUNNING) and not seen.forced:
            self.driver.cancel(handle, grace_s=0, force=True)
            seen.forced = True
        # One that never began has nothing to leave: whatever its engine makes of it later is
        # refused when it claims the attempt.
        if probe.is_over or (seen.forced and probe.phase is Phase.PENDING):
            self.leave(entry, handle)
            return True
        return False

    def _judge(self, entry: QueueEntry, handle: Handle, probe: Probe) -> None:
        seen = self._memory(entry)
        if entry.cancel_requested is not None and not probe.is_over:
            self._cancel(entry, handle, probe, seen)
        elif entry.cancel_requested is None and self._may_go_on(entry, probe):
            return  # The engine has lost sight of it, and not the workspace.
        elif probe.is_over:
            self._close(entry, handle, probe)
        elif probe.phase is Phase.PENDING:
            self._tell_why_it_waits(entry, probe.reason, seen)
        elif probe.phase is Phase.RUNNING:
            self._check_time(entry, handle, seen)
            self._check_life(entry, probe)

    def _cancel(self, entry: QueueEntry, handle: Handle, probe: Probe, seen: _Seen) -> None:
        """Ask first; end by force when the grace is over. Where the target does not answer, the run
        ends all the same: its runner is told so when it comes back."""
        first = seen.asked_to_end is None
        seen.asked_to_end = seen.asked_to_end or time.monotonic()
        waited = time.monotonic() - seen.asked_to_end
        if probe.phase is Phase.UNREACHABLE:
            if waited > PATIENCE_SECONDS:
                reason = "Canceled; its target does not answer, and ends the work when it does."
                self._conclude(entry, AttemptEnd(RunState.CANCELED, reason))
        elif first:
            self.driver.cancel(handle, grace_s=GRACE_SECONDS)
        elif not seen.forced and waited > GRACE_SECONDS:
            self.driver.cancel(handle, grace_s=0, force=True)
            seen.forced = True
        elif seen.forced and probe.phase is Phase.PENDING:
            self._conclude(entry, AttemptEnd(RunState.CANCELED, "Canceled before it began."))

    def _close(self, entry: QueueEntry, handle: Handle, probe: Probe) -> None:
        """The runner is gone. Where it did not report an end, this is the end."""
        if entry.cancel_requested is not None:
            end = AttemptEnd(RunState.CANCELED, "Canceled; its processes were ended.")
        else:
            how = f": {probe.reason}" if probe.reason else " without a word"
            cause: Cause = probe.cause if probe.cause in ("oom", "timeout") else "lost"
            reason = f"The runner process ended{how}.{self._last_words(entry, handle)}"
            end = AttemptEnd(RunState.FAILED, reason, cause)
        if "shared_fs" in self.driver.capabilities or self.outputs.keeps(self._files(entry)):
            # What a run has logged and printed at its end is complete: nobody goes on with it.
            self._sweep(entry, handle)
        self._conclude(entry, end)

    def _last_words(self, entry: QueueEntry, handle: Handle) -> str:
        """The last line that a runner which never began had to say: an interpreter that is not
        there, a package that is missing. One that began has a log of its own."""
        if entry.state not in (RunState.STARTING, RunState.QUEUED):
            return ""
        printed = b""
        with suppress(Unreachable):
            printed = self.driver.engine_log(handle, LAST_WORDS)
        said = [line for line in printed.decode("utf-8", "replace").splitlines() if line.strip()]
        return f" It said: {said[-1].strip()}" if said else ""

    def _tell_why_it_waits(self, entry: QueueEntry, reason: str, seen: _Seen) -> None:
        """The engine's own word on why an attempt has not begun, once for each."""
        if reason in ("", seen.waits_for):
            return
        seen.waits_for = reason
        with self.services.storage.database.write() as transaction:
            job = store.find(transaction, entry.run_id)
            # An engine that has lost its mind may call one pending whose runner is at work.
            if job is not None and job.state in (RunState.STARTING, RunState.QUEUED):
                self.services.runs.transition(
                    transaction, entry.run_id, RunState.QUEUED, f"Waiting: {reason}."
                )

    def _check_time(self, entry: QueueEntry, handle: Handle, seen: _Seen) -> None:
        """A runner that doesn't keep its time limit is ended."""
        seen.running_since = seen.running_since or time.monotonic()
        if seen.time_limit is None or seen.forced:
            return
        if time.monotonic() - seen.running_since > seen.time_limit + OVERTIME_SECONDS:
            self.driver.cancel(handle, grace_s=0, force=True)
            seen.forced = True
            reason = f"The time limit of {seen.time_limit:g} s was over, and its runner went on."
            self._conclude(entry, AttemptEnd(RunState.FAILED, reason, "timeout"))

    def _may_go_on(self, entry: QueueEntry, probe: Probe) -> bool:
        """Whether a runner that its engine knows nothing of any more shows signs of life: it holds
        the run's lock, or was heard of lately."""
        if probe.phase is not Phase.ABSENT and not probe.out_of_sight:
            return False
        files = self._files(entry)
        heard = files.heartbeat.exists() and files.silence() < LEASE_SECONDS
        return heard or is_held(files.lock)

    def _check_life(self, entry: QueueEntry, probe: Probe) -> None:
        """A runner that is silent or stands still may go on: its run is NotResponding."""
        stands_still = bool(probe.native.get("stopped"))
        silent = self._files(entry).silence() > LEASE_SECONDS
        with suppress(Conflict):  # ended or canceled meanwhile
            if entry.state is RunState.RUNNING and (stands_still or silent):
                what = "stands still" if stands_still else f"is silent for {LEASE_SECONDS:.0f} s"
                reason = f"Its runner {what}."
                self.services.runs.move(entry.run_id, RunState.NOT_RESPONDING, reason)
            elif (
                entry.state is RunState.NOT_RESPONDING
                and not (stands_still or silent)
                and self.services.runs.get(entry.run_id).reason != STOPPED  # its runner's to say
            ):
                self.services.runs.move(entry.run_id, RunState.RUNNING, "It answers again.")

    def _files(self, entry: QueueEntry) -> RunFolder:
        return self.services.storage.run(entry.run_id)

    def _conclude(self, entry: QueueEntry, end: AttemptEnd) -> None:
        with suppress(Conflict):  # the runner's own report came first, and is the truth
            self.services.jobs.conclude(entry.run_id, entry.attempt, end)

    def _memory(self, entry: QueueEntry) -> _Seen:
        key = entry.run_id, entry.attempt
        if key not in self._seen:
            job = store.find(self.services.storage.database, entry.run_id)
            self._seen[key] = _Seen(job.submission.timeout_seconds if job else None)
        return self._seen[key]

    def _forget(self, present: set[tuple[str, int]]) -> None:
        for key in [key for key in self._seen if key not in present]:
            del self._seen[key]
