"""How jobs are kept: the durable queue, and who works on what."""

import json
from dataclasses import dataclass

import msgspec

from ml_workspace_lab.jobs.model import SubmitRun
from ml_workspace_lab.storage.database import Database, Row, Transaction, now

_JOBS = "SELECT j.*, r.uid, r.state FROM job j JOIN run r ON r.id = j.run"
_LIVE = "r.ended IS NULL"


@dataclass(frozen=True)
class QueuedJob:
    """A job whose run has not ended; `attempt` 0 means that nobody has taken it yet."""

    run_id: str
    state: str
    submission: SubmitRun
    attempt: int
    native_id: str | None
    cancel_requested: int | None


def insert(transaction: Transaction, run: int, submission: SubmitRun) -> None:
    transaction.insert(
        "job", run=run, spec_json=json.dumps(msgspec.to_builtins(submission)), enqueued=now()
    )


def live(database: Database) -> list[QueuedJob]:
    """Jobs of runs that have not ended, in the order in which they were submitted."""
    return [_job(row) for row in database.all(f"{_JOBS} WHERE {_LIVE} ORDER BY j.run")]


def find(database: Database, run_id: str) -> QueuedJob | None:
    row = database.one(f"{_JOBS} WHERE r.uid = :uid", uid=run_id)
    return _job(row) if row else None


def begin_attempt(transaction: Transaction, run_id: str, attempt: int) -> None:
    transaction.execute(
        "UPDATE job SET attempt = :attempt, native_id = NULL"
        " WHERE run = (SELECT id FROM run WHERE uid = :uid)",
        uid=run_id,
        attempt=attempt,
    )


def set_native_id(transaction: Transaction, run_id: str, native_id: str) -> None:
    transaction.execute(
        "UPDATE job SET native_id = :native WHERE run = (SELECT id FROM run WHERE uid = :uid)",
        uid=run_id,
        native=native_id,
    )


def request_cancel(transaction: Transaction, run_id: str) -> None:
    transaction.execute(
        "UPDATE job SET cancel_requested = coalesce(cancel_requested, :now)"
        " WHERE run = (SELECT id FROM run WHERE uid = :uid)",
        uid=run_id,
        now=now(),
    )


def counts(database: Database, compute_target: str) -> tuple[int, int]:
    """How many jobs of a target are being worked on, and how many wait."""
    jobs = [job for job in live(database) if job.submission.compute_target == compute_target]
    running = sum(job.attempt > 0 for job in jobs)
    return running, len(jobs) - running


def _job(row: Row) -> QueuedJob:
    return QueuedJob(
        run_id=row["uid"],
        state=row["state"],
        submission=msgspec.convert(json.loads(row["spec_json"]), SubmitRun),
        attempt=row["attempt"],
        native_id=row["native_id"],
        cancel_requested=row["cancel_requested"],
    )
