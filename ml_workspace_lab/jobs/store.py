"""How jobs are kept: the durable queue, and who works on what."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import After, SubmitRun
from ml_workspace_lab.storage.database import Database, Queries, Row, Transaction, now

Stage = Literal["held", "waiting", "begun", "leaving", "over"]
"""`held`: for other runs. `begun`: an attempt is. `leaving`: it has ended, and may have left
something behind on its target. `over`: nothing more is to be done."""
NOT_OVER: tuple[Stage, ...] = ("held", "waiting", "begun", "leaving")

_ENTRIES = (
    "SELECT j.run, j.target, j.owner, j.stage, j.priority, j.cores, j.memory, j.gpus, j.nodes,"
    " j.attempt, j.native_id, j.enqueued, j.not_before, j.begun, j.cancel_requested,"
    " r.uid, r.state, r.ended FROM job j JOIN run r ON r.id = j.run"
)
_ROW = "(SELECT id FROM run WHERE uid = :uid)"


@dataclass(frozen=True)
class QueueEntry:
    """A job in its queue. Times are milliseconds; `attempt` counts from 1, 0 before the first."""

    run: int
    run_id: str
    state: RunState
    ended: bool
    target: str
    owner: str
    stage: Stage
    priority: int
    cores: float
    memory: int
    gpus: int
    nodes: int
    attempt: int
    native_id: str | None
    enqueued: int
    not_before: int
    begun: int | None
    cancel_requested: int | None


@dataclass(frozen=True)
class QueuedJob(QueueEntry):
    """A job with all that was submitted."""

    submission: SubmitRun


def insert(
    transaction: Transaction, run: int, owner: str, submission: SubmitRun, stage: Stage
) -> None:
    wanted = submission.resources
    transaction.insert(
        "job",
        run=run,
        spec_json=json.dumps(msgspec.to_builtins(submission)),  # which spells NaN
        target=submission.compute_target,
        owner=owner,
        stage=stage,
        priority=submission.priority,
        cores=wanted.cores,
        memory=wanted.memory_bytes or 0,
        gpus=wanted.gpus,
        nodes=wanted.nodes,
        enqueued=now(),
    )


def find(queries: Queries, run_id: str) -> QueuedJob | None:
    row = queries.one(
        "SELECT j.*, r.uid, r.state, r.ended FROM job j JOIN run r ON r.id = j.run"
        " WHERE r.uid = :uid",
        uid=run_id,
    )
    if row is None:
        return None
    submission = msgspec.convert(json.loads(row["spec_json"]), SubmitRun)
    return QueuedJob(**_fields(row), submission=submission)


def entry(queries: Queries, run_id: str) -> QueueEntry | None:
    """What `find` finds, without what was submitted."""
    row = queries.one(f"{_ENTRIES} WHERE r.uid = :uid", uid=run_id)
    return QueueEntry(**_fields(row)) if row else None


def entries(queries: Queries, target: str, stages: Sequence[Stage]) -> list[QueueEntry]:
    """The jobs of a target in these stages, in the order in which they were submitted."""
    rows = queries.all(
        f"{_ENTRIES} WHERE j.target = :target AND j.stage IN ({_listed(stages)}) ORDER BY j.run",
        target=target,
    )
    return [QueueEntry(**_fields(row)) for row in rows]


def next_in_line(queries: Queries, target: str, each: int) -> dict[str, list[QueueEntry]]:
    """For each user with jobs that may begin now, the first of them, at most `each`."""
    owners = queries.all(
        "SELECT DISTINCT owner FROM job WHERE target = :target AND stage = 'waiting'",
        target=target,
    )
    lines = {}
    for row in owners:
        found = queries.all(
            f"{_ENTRIES} WHERE j.target = :target AND j.stage = 'waiting' AND j.owner = :owner"
            " AND j.not_before <= :now ORDER BY j.priority DESC, j.run LIMIT :limit",
            target=target,
            owner=row["owner"],
            now=now(),
            limit=each,
        )
        if found:
            lines[row["owner"]] = [QueueEntry(**_fields(one)) for one in found]
    return lines


def begin_attempt(transaction: Transaction, run_id: str, attempt: int) -> bool:
    """Write the attempt down; False where the job doesn't wait any more."""
    done = transaction.execute(
        "UPDATE job SET stage = 'begun', attempt = :attempt, native_id = NULL, begun = :now"
        f" WHERE run = {_ROW} AND stage = 'waiting'",
        uid=run_id,
        attempt=attempt,
        now=now(),
    )
    return done.rowcount == 1


def set_native_id(transaction: Transaction, run_id: str, attempt: int, native_id: str) -> None:
    transaction.execute(
        f"UPDATE job SET native_id = :native WHERE run = {_ROW} AND attempt = :attempt",
        uid=run_id,
        attempt=attempt,
        native=native_id,
    )


def set_stage(transaction: Transaction, run_id: str, stage: Stage, not_before: int = 0) -> None:
    transaction.execute(
        f"UPDATE job SET stage = :stage, not_before = :not_before WHERE run = {_ROW}",
        uid=run_id,
        stage=stage,
        not_before=not_before,
    )


def paused(queries: Queries, target: str, moment: int) -> list[str]:
    """The ids of runs whose next attempt may not begin before a moment that lies after this one."""
    rows = queries.all(
        "SELECT r.uid FROM job j JOIN run r ON r.id = j.run WHERE j.target = :target"
        " AND j.stage IN ('waiting', 'leaving') AND j.not_before > :moment",
        target=target,
        moment=moment,
    )
    return [row["uid"] for row in rows]


def wait_until_at_most(transaction: Transaction, run_id: str, moment: int) -> None:
    """Let the next attempt begin at that moment, unless it may before."""
    transaction.execute(
        f"UPDATE job SET not_before = :moment WHERE run = {_ROW} AND not_before > :moment",
        uid=run_id,
        moment=moment,
    )


def move_on(transaction: Transaction, run_id: str, stage: Stage) -> None:
    """From `leaving`: the attempt has left nothing behind."""
    transaction.execute(
        f"UPDATE job SET stage = :stage, native_id = NULL WHERE run = {_ROW}",
        uid=run_id,
        stage=stage,
    )


def request_cancel(transaction: Transaction, run: int, stage: Stage) -> None:
    """Write down that the job of this row is to end, and the stage that it is in from now on."""
    transaction.execute(
        "UPDATE job SET cancel_requested = :now, stage = :stage WHERE run = :run",
        run=run,
        stage=stage,
        now=now(),
    )


def counts(queries: Queries, target: str) -> tuple[int, int]:
    """How many jobs of a target are being worked on, and how many wait."""
    rows = queries.all(
        "SELECT stage, count(*) AS number FROM job"
        " WHERE target = :target AND stage IN ('held', 'waiting', 'begun', 'leaving')"
        " GROUP BY stage",
        target=target,
    )
    found = {row["stage"]: row["number"] for row in rows}
    begun = found.get("begun", 0) + found.get("leaving", 0)
    return begun, found.get("held", 0) + found.get("waiting", 0)


def going_on(queries: Queries, target: str | None, experiment: str | None) -> list[str]:
    """The ids of runs whose jobs are not over, of a target and of an experiment where named."""
    rows = queries.all(
        "SELECT r.uid FROM run r JOIN job j ON j.run = r.id"
        " JOIN experiment e ON e.id = r.experiment WHERE r.ended IS NULL"
        " AND j.target = coalesce(:target, j.target) AND e.name = coalesce(:experiment, e.name)"
        " ORDER BY r.id",
        target=target,
        experiment=experiment,
    )
    return [row["uid"] for row in rows]


def add_upstream(transaction: Transaction, run: int, upstream: int, after: After) -> None:
    transaction.insert("job_after", run=run, upstream=upstream, condition=after.condition)


def decided(queries: Queries, target: str) -> list[tuple[str, str | None]]:
    """Held jobs of a target that need not wait any longer: the run's id, and that of a run that
    should have succeeded and did not, None where all went as it should."""
    rows = queries.all(
        "SELECT r.uid, min(CASE WHEN a.condition = 'succeeded' AND u.ended IS NOT NULL"
        " AND u.state <> 'Completed' THEN u.uid END) AS failed,"
        " sum(CASE WHEN u.ended IS NULL THEN 1 ELSE 0 END) AS open"
        " FROM job j JOIN run r ON r.id = j.run LEFT JOIN job_after a ON a.run = j.run"
        " LEFT JOIN run u ON u.id = a.upstream"
        " WHERE j.target = :target AND j.stage = 'held' GROUP BY r.uid, r.id ORDER BY r.id",
        target=target,
    )
    return [(row["uid"], row["failed"]) for row in rows if row["failed"] or not row["open"]]


def last_event(database: Database) -> int:
    row = database.one("SELECT max(id) AS last FROM event")
    return int(row["last"] or 0) if row else 0


def _listed(stages: Sequence[Stage]) -> str:
    return ", ".join(f"'{stage}'" for stage in stages)


def _fields(row: Row) -> dict[str, Any]:
    return {
        "run": row["run"],
        "run_id": row["uid"],
        "state": RunState(row["state"]),
        "ended": row["ended"] is not None,
        **{
            name: row[name]
            for name in (
                "target", "owner", "stage", "priority", "cores", "memory", "gpus", "nodes",
                "attempt", "native_id", "enqueued", "not_before", "begun", "cancel_requested",
            )
        },
    }  # fmt: skip
