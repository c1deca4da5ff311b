"""How experiments and runs go to the trash, come back, and go for good."""

from collections.abc import Sequence

from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments import run_store, store
from ml_workspace_lab.experiments.model import TERMINAL, ExperimentInfo, RunState
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.storage.marks import marks_of

_ENDS = ", ".join(f"'{state}'" for state in sorted(TERMINAL))
_GOING_ON = f"kind <> 'external' AND state NOT IN ({_ENDS})"
"""Of external runs only their clients know; what those forgot to end can be deleted."""

_IN_WORKSPACE = "(v.source LIKE 'runs:%' OR v.source LIKE 'models:%' OR v.source LIKE 'mlflow-a%')"


def delete_run(transaction: Transaction, uid: str) -> None:
    """Move a run to the trash; one that is there stays as it is. Raises NotFound, and Conflict
    while it goes on."""
    run = run_store.row_of(transaction, uid)
    if run["deleted"] is not None:
        return
    if run["kind"] != "external" and not RunState(run["state"]).is_terminal:
        raise Conflict(f"Run {uid} is going on.", field="run_id", hint="Cancel it first.")
    run_store.set_columns(transaction, run["id"], deleted=now())
    store.count_live(transaction, run["experiment"], -1)
    run_store.touch(transaction, run["id"], "run.deleted", uid)


def restore_run(transaction: Transaction, uid: str) -> None:
    """Take a run out of the trash; one that isn't there stays as it is. Raises NotFound, and
    Conflict while its experiment is in the trash."""
    run = run_store.row_of(transaction, uid)
    if run["deleted"] is None:
        return
    experiment = transaction.one(
        "SELECT name FROM experiment WHERE id = :id AND deleted IS NOT NULL", id=run["experiment"]
    )
    if experiment is not None:
        raise Conflict(
            f"The experiment {experiment['name']!r} is in the trash.",
            field="run_id",
            hint="Restore the experiment, then delete the runs that you don't want back.",
        )
    run_store.set_columns(transaction, run["id"], deleted=None)
    store.count_live(transaction, run["experiment"], 1)
    run_store.touch(transaction, run["id"], "run.restored", uid)


def delete_experiment(transaction: Transaction, info: ExperimentInfo) -> None:
    """Move an experiment to the trash with its runs; what is there stays as it is. Raises Conflict
    while one of its runs goes on."""
    if info.deleted is not None:
        return
    runs = transaction.one(
        f"SELECT count(CASE WHEN {_GOING_ON} AND deleted IS NULL THEN 1 END) AS active,"
        " max(deleted) AS newest FROM run WHERE experiment = :id",
        id=info.number,
    )
    assert runs is not None
    if runs["active"]:
        raise Conflict(
            f"{runs['active']} runs of {info.name!r} are going on.",
            field="experiment",
            hint="Cancel them, or wait for their end.",
        )
    # A moment of its own: by it the runs are known that come back with the experiment.
    moment = max(now(), (runs["newest"] or 0) + 1)
    _move_experiment(transaction, info, "experiment.deleted", None, moment)


def restore_experiment(transaction: Transaction, info: ExperimentInfo) -> None:
    """Take an experiment out of the trash, with the runs that were deleted with it."""
    if info.deleted is not None:
        _move_experiment(transaction, info, "experiment.restored", info.deleted, None)


def _move_experiment(
    transaction: Transaction, info: ExperimentInfo, kind: str, before: int | None, after: int | None
) -> None:
    event = transaction.event(kind, info.experiment_id, name=info.name)
    which = "deleted IS NULL" if before is None else "deleted = :before"
    moved = transaction.execute(
        f"UPDATE run SET deleted = :after, changed = :event WHERE experiment = :id AND {which}",
        before=before,
        after=after,
        event=event,
        id=info.number,
    ).rowcount
    transaction.execute(
        "UPDATE experiment SET deleted = :after, updated = :now WHERE id = :id",
        after=after,
        now=now(),
        id=info.number,
    )
    store.count_live(transaction, info.number, moved if after is None else -moved)


def experiments(queries: Queries, names: Sequence[str] | None, before: int) -> list[Row]:
    """Experiments in the trash since the moment `before` or longer, of these names or of all."""
    marks, named = marks_of(names or ())
    which = "" if names is None else f"AND name IN ({marks})"
    return queries.all(
        f"SELECT * FROM experiment WHERE deleted <= :before {which} ORDER BY deleted, id",
        before=before,
        **named,
    )


def runs_of(queries: Queries, experiment: int) -> list[str]:
    rows = queries.all("SELECT uid FROM run WHERE experiment = :id ORDER BY id", id=experiment)
    return [row["uid"] for row in rows]


def old_runs(queries: Queries, before: int) -> list[str]:
    """Runs in the trash since the moment `before` or longer."""
    rows = queries.all("SELECT uid FROM run WHERE deleted <= :before ORDER BY id", before=before)
    return [row["uid"] for row in rows]


def alone(queries: Queries, after: tuple[int, int] | None, limit: int) -> list[Row]:
    """Runs that were deleted for themselves, the newest deletion first, after that place."""
    moment, run = after or (2**62, 0)
    return queries.all(
        "SELECT r.*, e.name AS experiment_name FROM run r JOIN experiment e ON e.id = r.experiment"
        " WHERE r.deleted IS NOT NULL AND (e.deleted IS NULL OR r.deleted <> e.deleted)"
        " AND (r.deleted < :moment OR (r.deleted = :moment AND r.id < :run))"
        " ORDER BY r.deleted DESC, r.id DESC LIMIT :limit",
        moment=moment,
        run=run,
        limit=limit,
    )


def size(queries: Queries, **owner: int) -> int:
    """Bytes of artifacts and metrics of a `run`, or of all runs of an `experiment`."""
    ((column, value),) = owner.items()
    which = "= :value" if column == "run" else "IN (SELECT id FROM run WHERE experiment = :value)"
    row = queries.one(
        f"SELECT (SELECT coalesce(sum(size), 0) FROM artifact WHERE run {which})"
        f" + (SELECT coalesce(sum(length(body)), 0) FROM chunk WHERE run {which}) AS bytes",
        value=value,
    )
    assert row is not None
    return int(row["bytes"])


def needed(queries: Queries, uid: str) -> str:
    """Why a run can't be purged: a model version that has no files of its own comes from it."""
    row = queries.one(
        "SELECT m.name, v.version FROM model_version v JOIN model m ON m.id = v.model"
        f" WHERE v.files_json = '[]' AND {_IN_WORKSPACE} AND (v.run = :uid"
        " OR v.logged_model IN (SELECT uid FROM logged_model WHERE run = :uid))"
        " ORDER BY v.id LIMIT 1",
        uid=uid,
    )
    return f"The model {row['name']}:{row['version']} has its files from it." if row else ""


def contents(queries: Queries, run: Row) -> list[str]:
    """The contents that a run, its environment and the models that it logged name."""
    rows = queries.all(
        "SELECT digest FROM artifact WHERE run = :run UNION"
        " SELECT digest FROM run_environment WHERE run = :run AND digest IS NOT NULL UNION"
        " SELECT f.digest FROM logged_model_file f JOIN logged_model l ON l.id = f.logged_model"
        " WHERE l.run = :uid",
        run=run["id"],
        uid=run["uid"],
    )
    return [row["digest"] for row in rows]


def purge_run(transaction: Transaction, run: Row) -> None:
    """Delete a run with all that belongs to it; an event stays."""
    event = transaction.event("run.purged", run["uid"])
    transaction.execute(
        "UPDATE run SET parent = NULL, changed = :event WHERE parent = :uid",
        event=event,
        uid=run["uid"],
    )
    for table in ("logged_model", "trace_run", "token"):
        transaction.execute(f"DELETE FROM {table} WHERE run = :uid", uid=run["uid"])
    transaction.execute("DELETE FROM run WHERE id = :id", id=run["id"])


def contents_beside(queries: Queries, experiment: int) -> list[str]:
    """The contents of an experiment's logged models and traces."""
    rows = queries.all(
        "SELECT f.digest FROM logged_model_file f JOIN logged_model l ON l.id = f.logged_model"
        " WHERE l.experiment = :id UNION"
        " SELECT f.digest FROM trace_file f JOIN trace t ON t.id = f.trace"
        " WHERE t.experiment = :id",
        id=experiment,
    )
    return [row["digest"] for row in rows]


def purge_experiment(transaction: Transaction, experiment: Row) -> bool:
    """Delete an experiment that has no runs any more; its name is free then. Whether it has gone:
    one that was restored meanwhile, or that still has runs, stays."""
    transaction.execute(
        "DELETE FROM logged_model WHERE experiment = :id AND NOT EXISTS"
        " (SELECT 1 FROM run WHERE experiment = :id) AND EXISTS"
        " (SELECT 1 FROM experiment WHERE id = :id AND deleted IS NOT NULL)",
        id=experiment["id"],
    )
    gone = transaction.execute(
        "DELETE FROM experiment WHERE id = :id AND deleted IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM run WHERE experiment = :id)",
        id=experiment["id"],
    ).rowcount
    if gone:
        transaction.event("experiment.purged", experiment["uid"], name=experiment["name"])
    return bool(gone)
