"""Attempts: what runners on other machines do with their workspace, each once."""

import builtins
from contextlib import suppress
from typing import BinaryIO

from ml_workspace_lab._version import __version__
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Nothing, Offset, RunId
from ml_workspace_lab.errors import Conflict, Denied, InvalidInput
from ml_workspace_lab.experiments.metrics import JournalName
from ml_workspace_lab.experiments.model import JournalMark, RunState
from ml_workspace_lab.jobs import attempt_events, attempt_log, attempt_store, records, store
from ml_workspace_lab.jobs.attempt_model import (
    PROTOCOL,
    AttemptList,
    AttemptNumber,
    Claim,
    ClaimAttempt,
    EventMark,
)
from ml_workspace_lab.jobs.contents import concatenated
from ml_workspace_lab.jobs.records import END, STATE, STOPPED, Ended
from ml_workspace_lab.storage.database import Queries, Row
from ml_workspace_lab.storage.files import disk_errors, write_atomic

MIB = 1024 * 1024


class Attempts(Service):
    """Attempts at runs that processes on compute targets make."""

    @operation("GET", "/runs/{run_id}/attempts", action="experiments/runs/read")
    def list(self, run_id: RunId) -> AttemptList:
        """The attempts that processes have claimed so far, and how those ended that did."""
        self.services.runs.get(run_id)
        return AttemptList(attempt_store.attempts(self.storage.database, run_id))

    @operation(
        "POST", "/runs/{run_id}/attempts/{attempt}/claim", action="experiments/runs/claim/action"
    )
    def claim(self, run_id: RunId, attempt: AttemptNumber, body: ClaimAttempt) -> Claim:
        """The attempt, for the one process that does it. A repeat with the same nonce answers anew;
        raises Conflict for any other process, and where nobody wants the attempt any more."""
        self._check_own(run_id, attempt)
        if body.protocol != PROTOCOL:
            raise self._other_release(run_id, attempt, body)
        self.take_up(run_id, attempt, body)
        job = store.find(self.storage.database, run_id)
        assert job is not None
        self._heard(run_id, attempt)
        return Claim(
            token=self.services.tokens.create_for_attempt(run_id, attempt),
            version=__version__,
            run=self.services.runs.get(run_id),
            workspace=self.services.workspaces.get(),
            submission=job.submission,
            snapshot=self.services.snapshots.get(job.submission.snapshot_id),
        )

    @operation(
        "POST",
        "/runs/{run_id}/attempts/{attempt}/events",
        action="experiments/runs/attempt/action",
        audited=False,
        body_limit=8 * MIB,
    )
    def append(
        self,
        run_id: RunId,
        attempt: AttemptNumber,
        after_gap: bool = False,
        *,
        content: BinaryIO,
    ) -> EventMark:
        """Take what a runner tells: records with their numbers, or none, as a sign of life. The
        answer says which one is the last here.

        What is here already is not taken again; a repeat is safe. Records that don't join what is
        here are not taken, unless the runner has those between no more (`after_gap`). Raises Gone
        where another attempt was begun.
        """
        self._check_own(run_id, attempt)
        row = self._heard(run_id, attempt)
        told = builtins.list(records.decode(content.read()))
        if not told:
            return _mark(row, row["seq"])
        kinds = {record.kind for record in told}
        if END in kinds:
            self.services.metrics.settle(run_id)
        with self.storage.database.write(durable=bool(kinds & {STATE, END})) as transaction:
            row = attempt_store.current(transaction, run_id, attempt)
            number = attempt_events.take(self.services, transaction, row, told, after_gap=after_gap)
        return _mark(row, number)

    @operation(
        "PUT",
        "/runs/{run_id}/attempts/{attempt}/notebook",
        action="experiments/runs/attempt/action",
        audited=False,
        body_limit=1024 * MIB,
    )
    def put_notebook(self, run_id: RunId, attempt: AttemptNumber, content: BinaryIO) -> Nothing:
        """Show the output notebook as it is now."""
        self._check_own(run_id, attempt)
        self._heard(run_id, attempt)
        write_atomic(self.storage.run(run_id).notebook, content.read())
        return Nothing()

    @operation(
        "PUT",
        "/runs/{run_id}/attempts/{attempt}/journals/{journal}",
        action="experiments/runs/attempt/action",
        audited=False,
        body_limit=64 * MIB,
    )
    def take(
        self,
        run_id: RunId,
        attempt: AttemptNumber,
        journal: JournalName,
        first: Offset,
        after_gap: bool = False,
        *,
        content: BinaryIO,
    ) -> JournalMark:
        """Take metrics that the attempt's processes have logged and could not send themselves, also
        after the run was given up for lost."""
        self._check_own(run_id, attempt)
        attempt_store.current(self.storage.database, run_id, attempt)
        return self.services.metrics.receive(
            run_id, journal, first, content, after_gap=after_gap, late=True
        )

    @operation(
        "GET",
        "/runs/{run_id}/attempts/{attempt}/contents",
        action="experiments/runs/attempt/action",
    )
    def contents(self, run_id: RunId, attempt: AttemptNumber, first: Offset = 0) -> Content:
        """The contents of the snapshot's files one after the other, from the file with that number
        on: their sizes are in the snapshot."""
        self._check_own(run_id, attempt)
        job = store.find(self.storage.database, run_id)
        if job is None:
            raise attempt_store.superseded(run_id, attempt)
        files = self.services.snapshots.get(job.submission.snapshot_id).files[first:]
        stream = concatenated([file.digest for file in files], self.storage.blobs.open)
        size = sum(file.size for file in files)
        return Content(stream, size, "application/octet-stream", "contents")

    def take_up(self, run_id: str, attempt: int, body: ClaimAttempt) -> None:
        """Write down who makes the attempt, in the same moment in which the run is Preparing.
        Raises Conflict where another process does, or nobody wants it any more."""
        self.storage.run(run_id).create()
        with self.storage.database.write() as transaction:
            row = attempt_store.find(transaction, run_id, attempt)
            if row is None or row["latest"] != attempt or row["stage"] != "begun":
                raise Conflict(f"Attempt {attempt} at run {run_id} is not wanted any more.")
            if row["claimed"] is not None:
                if row["nonce"] == body.nonce and row["reported"] is None:
                    return
                raise Conflict(f"Attempt {attempt} at run {run_id} is another process's.")
            log_size = attempt_log.size(self.storage.run(run_id).log)
            attempt_store.insert(transaction, run_id, attempt, body, log_size)
            self.services.runs.transition(transaction, run_id, RunState.PREPARING, "")

    def end(self, run_id: str, attempt: int, how: Ended) -> None:
        """Write down how an attempt ended that shares the workspace's folder."""
        self.services.metrics.settle(run_id)
        with self.storage.database.write() as transaction:
            row = attempt_store.current(transaction, run_id, attempt)
            attempt_events.end(self.services, transaction, row, how)

    def is_silent(self, run_id: str, attempt: int, queries: Queries | None = None) -> bool:
        """Whether the attempt has not reported its end. Raises Gone where another one was begun."""
        row = attempt_store.find(queries or self.storage.database, run_id, attempt)
        if row is None or row["latest"] != attempt:
            raise attempt_store.superseded(run_id, attempt)
        return row["reported"] is None

    def check_present(self, who: Principal, queries: Queries | None = None) -> None:
        """Raise Gone where `who` is an attempt after which another one was begun: its token may
        have been checked a while ago, before the body of its request came."""
        if who.run_id is not None and who.attempt is not None:
            self.is_silent(who.run_id, who.attempt, queries)

    def _heard(self, run_id: str, attempt: int) -> Row:
        """The attempt, which gave a sign of life: a run that was NotResponding is Running again,
        but where its program stands still. Raises Gone where another attempt was begun."""
        row = attempt_store.current(self.storage.database, run_id, attempt)
        with disk_errors():
            self.storage.run(run_id).heartbeat.touch()
        silent = row["run_state"] == RunState.NOT_RESPONDING and row["run_reason"] != STOPPED
        if silent and row["stage"] == "begun":
            with suppress(Conflict):
                self.services.runs.move(run_id, RunState.RUNNING, "It answers again.")
        return row

    def _check_own(self, run_id: str, attempt: int) -> None:
        """Raise Denied where the caller is a run, and this is not its own attempt."""
        who = caller()
        if who.run_id is not None and (who.run_id, who.attempt) != (run_id, attempt):
            raise Denied(f"{who.name} is not attempt {attempt} at run {run_id}.")

    def _other_release(self, run_id: str, attempt: int, body: ClaimAttempt) -> InvalidInput:
        """End the run with the reason why this runner can't work for it; the error that says so."""
        newer = "the workspace" if body.protocol > PROTOCOL else "the compute target"
        reason = (
            f"The compute target has ml_workspace_lab {body.version} (protocol {body.protocol}),"
            f" the workspace {__version__} (protocol {PROTOCOL})."
        )
        hint = f"Upgrade it for {newer}, so that both are of one release."
        row = attempt_store.find(self.storage.database, run_id, attempt)
        if row is not None and row["latest"] == attempt and row["ended"] is None:
            self.services.runs.finish(run_id, RunState.FAILED, f"{reason} {hint}")
        return InvalidInput(reason, field="protocol", hint=hint)


def _mark(row: Row, number: int) -> EventMark:
    return EventMark(number, cancel_requested=row["cancel_requested"] is not None)
