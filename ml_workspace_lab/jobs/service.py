"""Jobs: hand the work of a run to a compute target, and call it back."""

import builtins
from contextlib import suppress

import msgspec

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Name, RelativePath, RunId
from ml_workspace_lab.compute.driver import Handle, Unreachable
from ml_workspace_lab.errors import Conflict, NotFound, Unavailable
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import RunInfo, RunState
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.checking import Checking
from ml_workspace_lab.jobs.ending import PREEMPTED, AttemptEnd, pause_before_next
from ml_workspace_lab.jobs.model import (
    CanceledRuns,
    CancelRuns,
    NotebookJob,
    Staging,
    SubmitRun,
    kind_of,
)
from ml_workspace_lab.jobs.staging import staging_of
from ml_workspace_lab.storage.database import Transaction, now

AT_ONCE = 200
"""Runs that are canceled in one transaction: others wait for its end."""


class Jobs(Service):
    """Work that compute targets do."""

    @operation(
        "POST", "/experiments/{experiment}/runs/submit", action="experiments/runs/submit/action"
    )
    def submit(self, experiment: Name, body: SubmitRun) -> RunInfo:
        """A run whose work is queued for a compute target. A repeat with the same `run_id` and the
        same content answers with the run that is there."""
        Checking(self.services).check(body)
        environment = body.environment and self.services.environments.resolve(body.environment)
        run_id = body.run_id or new_id()
        if body.run_id is not None and (known := self._repeat(run_id, body)) is not None:
            return known
        self.storage.run(run_id).create()
        with self.storage.database.write() as transaction:
            run = self._add(transaction, experiment, run_id, body)
            if environment:
                self.services.environments.bind(transaction, run, environment)
        self.services.computes.wake()
        return self.services.runs.get(run_id)

    @operation("POST", "/runs/{run_id}/cancel", action="experiments/runs/cancel/action")
    def cancel(self, run_id: RunId) -> RunInfo:
        """Ask for the end of a run: its code is interrupted, then ended. Raises Conflict where it
        has ended already; a repeat changes nothing."""
        run = self.services.runs.get(run_id)
        if run.state.is_terminal:
            raise Conflict(f"Run {run_id} has ended already: {run.state}.", field="run_id")
        reason = f"Canceled by {caller().name}."
        if run.kind == "interactive":
            self.services.runs.finish(run_id, RunState.CANCELED, reason)
        else:
            with self.storage.database.write() as transaction:
                self._cancel(transaction, run_id, reason)
            self.services.computes.wake()
        return self.services.runs.get(run_id)

    @operation("POST", "/runs/cancel", action="experiments/runs/cancel/action")
    def cancel_all(self, body: CancelRuns) -> CanceledRuns:
        """Cancel every job that waits or goes on, of a target or an experiment where one is named.
        Interactive runs are left alone."""
        wanted = store.going_on(self.storage.database, body.compute_target, body.experiment)
        reason = f"Canceled by {caller().name}."
        canceled = 0
        for at in range(0, len(wanted), AT_ONCE):
            with self.storage.database.write() as transaction:
                group = wanted[at : at + AT_ONCE]
                canceled += sum(self._cancel(transaction, run_id, reason) for run_id in group)
        self.services.computes.wake()
        return CanceledRuns(canceled)

    @operation("GET", "/runs/{run_id}/staging", action="experiments/runs/read")
    def staging(self, run_id: RunId) -> Staging:
        """What the run finds in its working folder beside its snapshot. Raises NotFound where one
        of its inputs is not there (yet)."""
        job = store.find(self.storage.database, run_id)
        if job is None:
            self.services.runs.get(run_id)
            return Staging([], {}, {})
        return staging_of(self.services, job.submission)

    @operation("GET", "/runs/{run_id}/staging/{path}", action="experiments/runs/read")
    def staged_file(self, run_id: RunId, path: RelativePath) -> Content:
        """The bytes of a file that the run finds there."""
        for file in self.staging(run_id).files:
            if file.path == path:
                name = path.rpartition("/")[2]
                stream = self.storage.blobs.open(file.digest)
                return Content(stream, file.size, "application/octet-stream", name)
        raise NotFound(f"Run {run_id} is not given a file {path!r}.", field="path")

    def conclude(self, run_id: str, attempt: int, end: AttemptEnd) -> None:
        """Write down how an attempt ended: that is the run's end, unless it is to be tried again.
        Raises Conflict where the run has ended, or is on a later attempt."""
        self.services.metrics.settle(run_id)
        with self.storage.database.write() as transaction:
            self.conclude_in(transaction, run_id, attempt, end)

    def conclude_in(
        self, transaction: Transaction, run_id: str, attempt: int, end: AttemptEnd
    ) -> None:
        """The same as part of a larger change, when the run's metrics are settled."""
        job = store.find(transaction, run_id)
        if job is None or job.attempt != attempt or job.stage != "begun":
            raise Conflict(f"Attempt {attempt} at run {run_id} is not its present one.")
        pause = None
        if job.cancel_requested is None:
            if end.state is RunState.CANCELED:
                end = PREEMPTED
            pause = pause_before_next(job.submission.retry, attempt, end)
        if pause is None:
            self.services.runs.transition(transaction, run_id, end.state, end.reason)
            store.set_stage(transaction, run_id, "leaving")
            return
        again = f"Attempt {attempt} failed: {end.reason} Attempt {attempt + 1} follows"
        again += f" in {pause:g} s." if pause else " at once."
        self.services.runs.transition(transaction, run_id, RunState.QUEUED, again)
        store.set_stage(transaction, run_id, "leaving", now() + round(pause * 1000))

    def give_up(self, compute_target: str) -> None:
        """Cancel every job of a target that is to be used no longer; what goes on there is asked to
        end at once, where the target answers."""
        reason = f"Canceled: {caller().name} detached the compute target {compute_target}."
        target = self.services.computes.target(compute_target)
        for run_id in self.active(compute_target):
            with self.storage.database.write() as transaction:
                job = store.find(transaction, run_id)
                if job is None or job.stage == "over":
                    continue
                if not job.ended:
                    self.services.runs.transition(transaction, run_id, RunState.CANCELED, reason)
                store.set_stage(transaction, run_id, "over")
            if job.native_id is not None:
                handle = Handle(compute_target, job.native_id, run_id, job.attempt)
                with suppress(Unreachable, Unavailable):
                    driver = self.services.computes.driver(target)
                    driver.cancel(handle, grace_s=0, force=True)
                    driver.sweep(handle)

    def counts(self, compute_target: str) -> tuple[int, int]:
        """How many jobs of a target are being worked on, and how many wait."""
        return store.counts(self.storage.database, compute_target)

    def active(self, compute_target: str) -> builtins.list[str]:
        """The ids of runs that wait for a target or are worked on there."""
        found = store.entries(self.storage.database, compute_target, store.NOT_OVER)
        return [entry.run_id for entry in found if not entry.ended]

    def _add(self, transaction: Transaction, experiment: str, run_id: str, body: SubmitRun) -> int:
        """Add the run and its job; the run's row id."""
        notebook = body.job if isinstance(body.job, NotebookJob) else None
        run = self.services.runs.add(
            transaction,
            experiment,
            run_id=run_id,
            kind=kind_of(body.job),
            display_name=body.display_name,
            parent=body.parent,
            snapshot=body.snapshot_id,
            notebook=notebook.notebook if notebook else None,
            tags=body.tags,
            params=body.job.parameters,
            compute_target=body.compute_target,
        )
        store.insert(transaction, run, caller().name, body, "held" if body.after else "waiting")
        reason = f"Waiting for a free slot on {body.compute_target}."
        if body.after:
            for after in {after.run_id: after for after in body.after}.values():
                upstream = self.services.runs.row_id(transaction, after.run_id)
                store.add_upstream(transaction, run, upstream, after)
            reason = f"Waiting for {len(body.after)} other run{'s'[: len(body.after) > 1]}."
        self.services.runs.transition(transaction, run_id, RunState.QUEUED, reason)
        return run

    def _cancel(self, transaction: Transaction, run_id: str, reason: str) -> bool:
        """End a job that has not begun, ask for the end of one that has; whether that was new."""
        job = store.entry(transaction, run_id)
        if job is None or job.ended or job.cancel_requested is not None:
            return False
        if job.stage == "begun":
            store.request_cancel(transaction, job.run, "begun")
            wanted = RunState.CANCEL_REQUESTED
        else:
            stage: store.Stage = "leaving" if job.stage == "leaving" else "over"
            store.request_cancel(transaction, job.run, stage)
            wanted = RunState.CANCELED
        self.services.runs.transition(transaction, run_id, wanted, reason)
        return True

    def _repeat(self, run_id: str, body: SubmitRun) -> RunInfo | None:
        job = store.find(self.storage.database, run_id)
        if job is None:
            return None
        if msgspec.to_builtins(job.submission) != msgspec.to_builtins(body):
            raise Conflict(f"Run {run_id} was submitted with other content.", field="run_id")
        return self.services.runs.get(run_id)
