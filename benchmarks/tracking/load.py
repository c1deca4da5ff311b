"""Many runs in a workspace at once, written as rows: for measuring searches, not logging.

`python benchmarks/tracking/load.py FOLDER RUNS [DATABASE_URL]` makes a workspace of them.
"""

import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from data import BEGAN, METRICS, PARAMS, TAGS, Row, rows

from ml_workspace_lab.experiments import documents, store
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import MetricSummary, RunDocument
from ml_workspace_lab.storage.database import Database, Transaction
from ml_workspace_lab.storage.sqlite import SqliteDatabase
from ml_workspace_lab.storage.sqlite_connections import SqliteTransaction

AT_ONCE = 20_000
"""Runs in a transaction: each of them touches most pages of the indexes."""
CACHE_KIB = 4_000_000
"""Memory for the pages of a transaction, which would else be written out again and again."""
EXPERIMENTS = 10
STEPS = 100

Table = dict[str, list[dict[str, Any]]]


def load_runs(database: Database, n: int) -> None:
    """Add `n` completed runs of `data.rows` to ten experiments."""
    with database.write() as transaction:
        experiments = [_experiment(transaction, f"load-{i}") for i in range(EXPERIMENTS)]
        keys = {
            kind: documents.key_ids(transaction, kind, names)
            for kind, names in (("param", PARAMS), ("metric", METRICS), ("tag", TAGS))
        }
        newest = transaction.one("SELECT coalesce(max(id), 0) AS id FROM run")
    if isinstance(database, SqliteDatabase):
        with database.write(durable=False) as transaction:
            transaction.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    assert newest is not None
    made = enumerate(rows(n), newest["id"] + 1)
    while part := list(islice(made, AT_ONCE)):
        with database.write(durable=False) as transaction:
            _insert(transaction, _tables(part, experiments, keys))
    with database.write() as transaction:
        for experiment in experiments:
            transaction.execute(
                "UPDATE experiment SET runs = (SELECT count(*) FROM run WHERE experiment = :id),"
                " live = (SELECT count(*) FROM run WHERE experiment = :id) WHERE id = :id",
                id=experiment,
            )
        if not isinstance(database, SqliteDatabase):
            _catch_up(transaction)


def _catch_up(transaction: Transaction) -> None:
    """What PostgreSQL does by itself as rows come one by one: numbering, and knowing the tables."""
    for table in ("run", "event"):
        transaction.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
        )
    transaction.execute("ANALYZE")


def _experiment(transaction: Transaction, name: str) -> int:
    found = store.find_experiment(transaction, name)
    return (
        int(found["id"]) if found else store.insert_experiment(transaction, new_id(), name, "", {})
    )


def _tables(
    part: list[tuple[int, Row]], experiments: list[int], keys: dict[str, dict[str, int]]
) -> Table:
    tables: Table = {"event": [], "run": [], "run_history": [], "attribute": [], "series": []}
    for run, row in part:
        tables["run"].append(_run(run, row, experiments[run % EXPERIMENTS]))
        tables["run_history"].append(
            {"run": run, "seq": 0, "state": "Completed", "reason": "", "time": BEGAN + run}
        )
        tables["attribute"].extend(_attributes(run, row, keys))
        tables["series"].extend(_series(run, row, keys["metric"]))
    last = part[-1][0]
    event = {"time": BEGAN, "kind": "run.created", "subject": "", "data_json": "{}"}
    tables["event"].append({"id": last, **event})
    return tables


def _run(run: int, row: Row, experiment: int) -> dict[str, Any]:
    metrics = {name: _summary(value) for name, value in row.metrics.items()}
    return {
        "id": run,
        "uid": f"{run:032x}",
        "experiment": experiment,
        "number": run,
        "kind": "external",
        "display_name": f"run {run}",
        "state": "Completed",
        "user": "ada",
        "created": BEGAN + run,
        "started": BEGAN + run,
        "ended": BEGAN + run + 60_000,
        "changed": run,
        "doc": documents.encode(RunDocument(dict(row.params), row.tags, {}, metrics)),
    }


def _summary(value: float) -> MetricSummary:
    return MetricSummary(STEPS, value, STEPS - 1, BEGAN, value - 1, 0, value + 1, 1)


def _attributes(run: int, row: Row, keys: dict[str, dict[str, int]]) -> Iterator[dict[str, Any]]:
    for kind, values in (("param", row.params), ("tag", row.tags)):
        for name, value in values.items():
            yield {
                "run": run,
                "key": keys[kind][name],
                "value": value,
                "number": documents.number(value),
            }


def _series(run: int, row: Row, keys: dict[str, int]) -> Iterator[dict[str, Any]]:
    for name, value in row.metrics.items():
        yield {
            "run": run,
            "key": keys[name],
            "count": STEPS,
            "last": value,
            "last_step": STEPS - 1,
            "last_time": BEGAN,
            "low": value - 1,
            "low_step": 0,
            "high": value + 1,
            "high_step": 1,
        }


def _insert(transaction: Transaction, tables: Table) -> None:
    for table, lines in tables.items():
        names = ", ".join(f'"{name}"' for name in lines[0])
        if not isinstance(transaction, SqliteTransaction):
            _copy(transaction, f"COPY {table} ({names}) FROM STDIN", lines)
            continue
        marks = ", ".join(f":{name}" for name in lines[0])
        transaction.many(f"INSERT INTO {table} ({names}) VALUES ({marks})", lines)


def _copy(transaction: Any, sql: str, lines: list[dict[str, Any]]) -> None:
    with transaction._connection.cursor() as cursor, cursor.copy(sql) as copy:
        for line in lines:
            copy.write_row(tuple(line.values()))


if __name__ == "__main__":
    from ml_workspace_lab import Workspace

    workspace = Workspace.create("load", sys.argv[1], database=(sys.argv + [None] * 2)[3])
    began = time.perf_counter()
    load_runs(workspace.connection.storage.database, int(sys.argv[2]))
    print(f"{time.perf_counter() - began:.1f} s")
