"""How runs are kept."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ml_workspace_lab.errors import Conflict, NotFound
from ml_workspace_lab.experiments import documents, elapsed
from ml_workspace_lab.experiments.model import (
    Progress,
    RunDocument,
    RunInfo,
    RunKind,
    RunState,
    StateChange,
)
from ml_workspace_lab.experiments.states import check_transition
from ml_workspace_lab.experiments.store import next_number
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now, without_nul

_RUNS = (
    "SELECT r.id, r.uid, r.number, r.display_name, e.name, r.kind, r.state, r.reason,"
    ' r.compute_target, r.parent, r."user", r.created, r.started, r.ended, r.snapshot, r.notebook,'
    " r.progress_json, r.doc, r.description, r.deleted"
    " FROM run r JOIN experiment e ON e.id = r.experiment"
)
AT_ONCE = 500


def insert_run(
    transaction: Transaction,
    experiment_id: int,
    *,
    uid: str,
    kind: RunKind,
    display_name: str | None,
    user: str,
    created: int | None = None,
    **columns: Any,
) -> int:
    """Add a run as NotStarted; its row id. `columns` are the caller's own words. Raises NotFound
    where its snapshot is not there, or no longer."""
    _check_snapshot(transaction, columns.get("snapshot"))
    number = next_number(transaction, experiment_id)
    event = transaction.event("run.created", uid, state=RunState.NOT_STARTED)
    run = transaction.add(
        "run",
        uid=uid,
        experiment=experiment_id,
        number=number,
        kind=kind,
        display_name=display_name or f"run {number}",
        state=RunState.NOT_STARTED,
        user=user,
        created=now() if created is None else created,
        changed=event,
        doc=documents.encode(RunDocument()),
        **columns,
    )
    _add_history(transaction, run, 0, RunState.NOT_STARTED, "")
    return run


def _check_snapshot(queries: Queries, digest: str | None) -> None:
    if digest is not None and not queries.one(
        "SELECT 1 AS one FROM snapshot WHERE digest = :digest", digest=digest
    ):
        raise NotFound(f"There is no snapshot {digest}.", field="snapshot_id", hint="Take it anew.")


def find_run(queries: Queries, uid: str) -> RunInfo | None:
    found = queries.tuples(f"{_RUNS} WHERE r.uid = :uid", uid=uid)
    return _run_of(queries, found[0]) if found else None


def runs_by_id(queries: Queries, ids: Sequence[int]) -> list[RunInfo]:
    """The runs of these row ids, in their order; those that are gone are left out."""
    found: dict[int, RunInfo] = {}
    for at in range(0, len(ids), AT_ONCE):
        marks, named = _marks("r", ids[at : at + AT_ONCE])
        rows = queries.tuples(f"{_RUNS} WHERE r.id IN ({marks})", **named)
        found |= {row[0]: _run_of(queries, row) for row in rows}
    return [found[run] for run in ids if run in found]


def runs(
    queries: Queries,
    *,
    experiment: str | None,
    parent: str | None,
    states: Sequence[str] | None,
    kind: str | None,
    before: tuple[int, int] | None,
    limit: int,
) -> tuple[list[RunInfo], tuple[int, int] | None]:
    """Runs that are not in the trash, newest first, and the place that the next page starts after:
    time of creation and row id."""
    conditions, values = ["r.deleted IS NULL"], dict[str, Any]()
    for column, value in (("e.name", experiment), ("r.parent", parent), ("r.kind", kind)):
        if value is not None:
            name = f"p{len(values)}"
            conditions.append(f"{column} = :{name}")
            values[name] = value
    if states is not None:
        marks, named = _marks("s", states)
        conditions.append(f"r.state IN ({marks})")
        values |= named
    if before is not None:
        conditions.append("(r.created, r.id) < (:created, :before)")
        values |= {"created": before[0], "before": before[1]}
    where = " AND ".join(conditions)
    # Few runs are active: they are found as such and sorted, not met on the way through all.
    few = states is not None and not any(RunState(state).is_terminal for state in states)
    if few:
        where += " AND r.ended IS NULL"
    order = "+r.created DESC, +r.id DESC" if few else "r.created DESC, r.id DESC"
    rows = queries.tuples(
        f"{_RUNS} WHERE {where} ORDER BY {order} LIMIT :limit",
        **values,
        limit=limit + 1,
    )
    found = [_run_of(queries, row) for row in rows[:limit]]
    following = (found[-1].created, rows[limit - 1][0]) if len(rows) > limit else None
    return found, following


def history(queries: Queries, uid: str) -> list[StateChange]:
    rows = queries.all(
        "SELECT h.* FROM run_history h JOIN run r ON r.id = h.run WHERE r.uid = :uid ORDER BY seq",
        uid=uid,
    )
    return [StateChange(RunState(row["state"]), row["time"], row["reason"]) for row in rows]


def row_of(queries: Queries, uid: str) -> Row:
    """The row of a run; raises NotFound."""
    row = queries.one("SELECT * FROM run WHERE uid = :uid", uid=uid)
    if row is None:
        raise no_run(uid)
    return row


def writable(queries: Queries, uid: str) -> Row:
    """The row of a run that may be changed; raises NotFound, or Conflict for one in the trash."""
    row = row_of(queries, uid)
    if row["deleted"] is not None:
        raise Conflict(
            f"Run {uid} is in the trash.", field="run_id", hint="Restore it to change it."
        )
    return row


def touch(transaction: Transaction, run: int, kind: str, uid: str, **data: str) -> None:
    """Tell of a change of a run, and mark the run as changed."""
    event = transaction.event(kind, uid, **data)
    transaction.execute("UPDATE run SET changed = :event WHERE id = :run", event=event, run=run)


def transition(
    transaction: Transaction, uid: str, wanted: RunState, reason: str, ended: int | None = None
) -> None:
    """Move a run to another state; raises Conflict where the table of states forbids it."""
    reason = without_nul(reason)
    row = writable(transaction, uid)
    check_transition(uid, RunState(row["state"]), wanted, row["kind"])
    moment = now()
    started = row["started"]
    if started is None and wanted is RunState.RUNNING:
        started = row["created"] if row["kind"] == "external" else moment
        elapsed.note(uid, started)
    over = None
    if wanted.is_terminal:
        over = elapsed.end(uid, started or row["created"], moment) if ended is None else ended
    transaction.execute(
        "UPDATE run SET state = :state, reason = :reason, started = :started, ended = :ended"
        " WHERE id = :run",
        state=wanted,
        reason=reason,
        started=started,
        ended=over,
        run=row["id"],
    )
    last = transaction.one(
        "SELECT max(seq) AS seq FROM run_history WHERE run = :run", run=row["id"]
    )
    assert last is not None
    _add_history(transaction, row["id"], last["seq"] + 1, wanted, reason)
    touch(transaction, row["id"], "run.state", uid, state=wanted)


def _add_history(
    transaction: Transaction, run: int, seq: int, state: RunState, reason: str
) -> None:
    transaction.insert("run_history", run=run, seq=seq, state=state, reason=reason, time=now())


def set_progress(transaction: Transaction, uid: str, progress: Progress) -> None:
    run = row_of(transaction, uid)["id"]
    transaction.execute(
        "UPDATE run SET progress_json = :progress WHERE id = :run",
        progress=msgspec.json.encode(progress).decode(),
        run=run,
    )
    touch(transaction, run, "run.progress", uid)


def set_columns(transaction: Transaction, run: int, **columns: Any) -> None:
    """Set columns of a run. Their names are the caller's own words."""
    settings = ", ".join(f"{name} = :{name}" for name in columns)
    transaction.execute(f"UPDATE run SET {settings} WHERE id = :run", **columns, run=run)


def active(queries: Queries, kind: RunKind | None = None) -> list[str]:
    """The ids of runs that have not ended."""
    which = "" if kind is None else "AND kind = :kind"
    rows = queries.all(
        f"SELECT uid FROM run WHERE ended IS NULL AND coalesce(deleted, 0) = 0 {which}", kind=kind
    )
    return [row["uid"] for row in rows]


def parent_of(queries: Queries, uid: str) -> str | None:
    row = queries.one("SELECT parent FROM run WHERE uid = :uid", uid=uid)
    parent: str | None = row["parent"] if row else None
    return parent


def no_run(uid: str) -> NotFound:
    return NotFound(
        f"There is no run {uid}.", field="run_id", hint="`ml-workspace runs` lists what there is."
    )


def _marks(prefix: str, values: Iterable[Any]) -> tuple[str, dict[str, Any]]:
    """Named marks for an IN list, and what they stand for."""
    named = {f"{prefix}{index}": value for index, value in enumerate(values)}
    return ", ".join(f":{name}" for name in named) or "NULL", named


def _run_of(queries: Queries, row: tuple[Any, ...]) -> RunInfo:
    """The run of a row of `_RUNS`."""
    (
        row_id, uid, number, display_name, experiment, kind, state, reason, compute_target, parent,
        user, created, started, ended, snapshot, notebook, progress, doc, description, deleted,
    ) = row  # fmt: skip
    document = documents.decode(doc)
    if document.large:
        documents.fill(queries, row_id, document)
    return RunInfo(
        uid,
        number,
        display_name,
        experiment,
        kind,
        RunState(state),
        reason,
        compute_target,
        parent,
        user,
        created,
        started,
        ended,
        snapshot,
        notebook,
        msgspec.json.decode(progress, type=Progress) if progress else None,
        document.params,
        document.tags,
        document.properties,
        document.metrics,
        description,
        deleted,
    )
