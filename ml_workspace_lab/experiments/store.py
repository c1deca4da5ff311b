"""How experiments and runs are kept."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.experiments.model import (
    TERMINAL,
    ExperimentInfo,
    MetricSummary,
    Progress,
    RunInfo,
    RunKind,
    RunState,
    StateChange,
)
from ml_workspace_lab.experiments.states import check_transition
from ml_workspace_lab.storage.database import Database, Row, Transaction, now

TERMINAL_LIST = ", ".join(f"'{state}'" for state in sorted(TERMINAL))

_EXPERIMENTS = f"""
SELECT e.*, (SELECT max(created) FROM run WHERE experiment = e.id) AS last_run,
    (SELECT count(*) FROM run WHERE experiment = e.id AND state NOT IN ({TERMINAL_LIST}))
        AS active_runs
FROM experiment e
"""

_RUNS = "SELECT r.*, e.name AS experiment_name FROM run r JOIN experiment e ON e.id = r.experiment"


def experiments(database: Database) -> list[ExperimentInfo]:
    """All experiments, the one with the newest run first."""
    order = "ORDER BY coalesce(last_run, e.created) DESC, e.id DESC"
    return [_experiment(row) for row in database.all(f"{_EXPERIMENTS} {order}")]


def experiment(database: Database, name: str) -> ExperimentInfo:
    row = database.one(f"{_EXPERIMENTS} WHERE e.name = :name", name=name)
    if row is None:
        raise NotFound(
            f"There is no experiment {name!r}.",
            field="experiment",
            hint="`ml-workspace runs` lists what there is.",
        )
    return _experiment(row)


def ensure_experiment(transaction: Transaction, uid: str, name: str, description: str = "") -> int:
    """The row id of the experiment of that name, made where there is none."""
    row = transaction.one("SELECT id FROM experiment WHERE name = :name", name=name)
    if row is not None:
        return int(row["id"])
    created = transaction.insert(
        "experiment", uid=uid, name=name, description=description, created=now()
    )
    transaction.event("experiment.created", uid, name=name)
    return created


def insert_run(
    transaction: Transaction,
    experiment_id: int,
    *,
    uid: str,
    kind: RunKind,
    display_name: str | None,
    user: str,
    parent: str | None = None,
    compute_target: str | None = None,
    snapshot: str | None = None,
    notebook: str | None = None,
) -> int:
    """Add a run as NotStarted; its row id."""
    number = _next_number(transaction, experiment_id)
    run = transaction.insert(
        "run",
        uid=uid,
        experiment=experiment_id,
        number=number,
        parent=parent,
        kind=kind,
        display_name=display_name or f"run {number}",
        state=RunState.NOT_STARTED,
        compute_target=compute_target,
        user=user,
        created=now(),
        snapshot=snapshot,
        notebook=notebook,
    )
    _add_history(transaction, run, 0, RunState.NOT_STARTED, "")
    transaction.event("run.created", uid, state=RunState.NOT_STARTED)
    return run


def _next_number(transaction: Transaction, experiment_id: int) -> int:
    transaction.execute("UPDATE experiment SET runs = runs + 1 WHERE id = :id", id=experiment_id)
    row = transaction.one("SELECT runs FROM experiment WHERE id = :id", id=experiment_id)
    assert row is not None
    return int(row["runs"])


def find_run(database: Database, uid: str) -> RunInfo | None:
    rows = database.all(f"{_RUNS} WHERE r.uid = :uid", uid=uid)
    return _runs(database, rows)[0] if rows else None


def runs(
    database: Database,
    *,
    experiment: str | None,
    parent: str | None,
    states: Sequence[str] | None,
    kind: str | None,
    before: int | None,
    limit: int,
) -> tuple[list[RunInfo], int | None]:
    """Runs, newest first, and the row id that the next page starts before."""
    conditions, values = ["1 = 1"], dict[str, Any]()
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
        conditions.append("r.id < :before")
        values["before"] = before
    where = " AND ".join(conditions)
    rows = database.all(
        f"{_RUNS} WHERE {where} ORDER BY r.id DESC LIMIT :limit", **values, limit=limit + 1
    )
    following = rows[limit - 1]["id"] if len(rows) > limit else None
    return _runs(database, rows[:limit]), following


def history(database: Database, uid: str) -> list[StateChange]:
    rows = database.all(
        "SELECT h.* FROM run_history h JOIN run r ON r.id = h.run WHERE r.uid = :uid ORDER BY seq",
        uid=uid,
    )
    return [StateChange(RunState(row["state"]), row["time"], row["reason"]) for row in rows]


def state_of(transaction: Transaction, uid: str) -> tuple[int, RunState]:
    """The row id and the present state of a run; raises NotFound."""
    row = transaction.one("SELECT id, state FROM run WHERE uid = :uid", uid=uid)
    if row is None:
        raise no_run(uid)
    return int(row["id"]), RunState(row["state"])


def transition(transaction: Transaction, uid: str, wanted: RunState, reason: str) -> None:
    """Move a run to another state; raises Conflict where the table of states forbids it."""
    run, present = state_of(transaction, uid)
    check_transition(uid, present, wanted)
    moment = now()
    transaction.execute(
        "UPDATE run SET state = :state, reason = :reason,"
        " started = coalesce(started, CASE WHEN :state = 'Running' THEN :now END),"
        " ended = CASE WHEN :over THEN :now END WHERE id = :run",
        state=wanted,
        reason=reason,
        now=moment,
        over=wanted.is_terminal,
        run=run,
    )
    row = transaction.one("SELECT max(seq) AS seq FROM run_history WHERE run = :run", run=run)
    assert row is not None
    _add_history(transaction, run, row["seq"] + 1, wanted, reason)
    transaction.event("run.state", uid, state=wanted)


def _add_history(
    transaction: Transaction, run: int, seq: int, state: RunState, reason: str
) -> None:
    transaction.insert("run_history", run=run, seq=seq, state=state, reason=reason, time=now())


def set_progress(transaction: Transaction, uid: str, progress: Progress) -> None:
    transaction.execute(
        "UPDATE run SET progress_json = :progress WHERE uid = :uid",
        progress=msgspec.json.encode(progress).decode(),
        uid=uid,
    )
    transaction.event("run.progress", uid)


def set_text(transaction: Transaction, run: int, column: str, value: str) -> None:
    assert column in ("display_name", "description", "notebook", "snapshot")
    transaction.execute(f'UPDATE run SET "{column}" = :value WHERE id = :run', value=value, run=run)


def set_attributes(
    transaction: Transaction, table: str, run: int, values: Mapping[str, str]
) -> None:
    """Set parameters, tags or properties; the newest value of a key stands."""
    assert table in ("param", "tag", "property")
    for key, value in values.items():
        transaction.execute(
            f'INSERT INTO "{table}" (run, key, value) VALUES (:run, :key, :value)'
            " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
            run=run,
            key=key,
            value=value,
        )


def attributes(transaction: Transaction, table: str, run: int) -> dict[str, str]:
    assert table in ("param", "tag", "property")
    rows = transaction.all(f'SELECT key, value FROM "{table}" WHERE run = :run', run=run)
    return {row["key"]: row["value"] for row in rows}


def remove_tags(transaction: Transaction, run: int, keys: Iterable[str]) -> None:
    for key in keys:
        transaction.execute("DELETE FROM tag WHERE run = :run AND key = :key", run=run, key=key)


def set_summaries(transaction: Transaction, uid: str, metrics: dict[str, MetricSummary]) -> None:
    """Keep the summaries of an ended run, so that lists need not read its journals."""
    run, _ = state_of(transaction, uid)
    for key, summary in metrics.items():
        transaction.execute(
            "INSERT INTO series (run, key, summary_json) VALUES (:run, :key, :summary)"
            " ON CONFLICT (run, key) DO UPDATE SET summary_json = excluded.summary_json",
            run=run,
            key=key,
            summary=msgspec.json.encode(summary).decode(),
        )


def parent_of(database: Database, uid: str) -> str | None:
    row = database.one("SELECT parent FROM run WHERE uid = :uid", uid=uid)
    parent: str | None = row["parent"] if row else None
    return parent


def no_run(uid: str) -> NotFound:
    return NotFound(
        f"There is no run {uid}.", field="run_id", hint="`ml-workspace runs` lists what there is."
    )


def _experiment(row: Row) -> ExperimentInfo:
    return ExperimentInfo(
        experiment_id=row["uid"],
        name=row["name"],
        created=row["created"],
        run_count=row["runs"],
        active_runs=row["active_runs"],
        last_run=row["last_run"],
        description=row["description"],
    )


def _runs(database: Database, rows: Sequence[Row]) -> list[RunInfo]:
    """The runs of `rows`, their parameters, tags and metrics read in one query each."""
    ids = [row["id"] for row in rows]
    params = _by_run(database, "param", "value", ids)
    tags = _by_run(database, "tag", "value", ids)
    properties = _by_run(database, "property", "value", ids)
    summaries = _by_run(database, "series", "summary_json", ids)
    return [
        _run(
            row,
            {key: json.loads(value) for key, value in params[row["id"]].items()},
            tags[row["id"]],
            properties[row["id"]],
            {
                key: msgspec.json.decode(value, type=MetricSummary)
                for key, value in summaries[row["id"]].items()
            },
        )
        for row in rows
    ]


def _by_run(
    database: Database, table: str, column: str, ids: Sequence[int]
) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {run: {} for run in ids}
    marks, values = _marks("r", ids)
    rows = database.all(
        f'SELECT run, key, "{column}" AS value FROM "{table}" WHERE run IN ({marks}) ORDER BY key',
        **values,
    )
    for row in rows:
        found[row["run"]][row["key"]] = row["value"]
    return found


def _marks(prefix: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Named marks for an IN list, and what they stand for."""
    named = {f"{prefix}{index}": value for index, value in enumerate(values)}
    return ", ".join(f":{name}" for name in named) or "NULL", named


def _run(
    row: Row,
    params: dict[str, Scalar],
    tags: dict[str, str],
    properties: dict[str, str],
    metrics: dict[str, MetricSummary],
) -> RunInfo:
    progress = row["progress_json"]
    return RunInfo(
        run_id=row["uid"],
        number=row["number"],
        display_name=row["display_name"],
        experiment=row["experiment_name"],
        kind=row["kind"],
        state=RunState(row["state"]),
        reason=row["reason"],
        compute_target=row["compute_target"],
        parent=row["parent"],
        user=row["user"],
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        snapshot_id=row["snapshot"],
        notebook=row["notebook"],
        progress=msgspec.json.decode(progress, type=Progress) if progress else None,
        params=params,
        tags=tags,
        properties=properties,
        metrics=metrics,
        description=row["description"],
    )
