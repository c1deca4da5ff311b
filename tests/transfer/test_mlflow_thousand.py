"""A database of MLflow's with a thousand runs: counts and values are compared, one by one."""

import math
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from tests.transfer.test_mlflow import PYTHONS, made

RUNS = 1_000
TABLES = ("params", "tags", "metrics", "latest_metrics")
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that MLflow wrote, with one of its runs as often as makes a thousand of them, each
    with values of its own: through MLflow's client they would take a quarter of an hour."""
    if not PYTHONS["3"].exists():
        pytest.skip("no MLflow 3 is installed: scripts/install_mlflow")
    folder = tmp_path_factory.mktemp("mlflow")
    store = made("3", folder, f"sqlite:///{folder}/mlflow.db", None)
    template, told = list(store.told["first"]["runs"].items())[-1]
    name = told["name"]  # and, as every time, a tag of the run
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        there = database.execute("SELECT count(*) FROM runs").fetchone()[0]
        for number in range(RUNS - there):
            uid = f"{number:032x}"
            _copy(database, "runs", template, uid, name=f"{name} of {number}", start_time=number)
            for table in TABLES:
                _copy(database, table, template, uid)
            for table in ("metrics", "latest_metrics"):
                database.execute(
                    f"UPDATE {table} SET value = value + ? WHERE run_uuid = ?",
                    [number / 8, uid],
                )
            for table in ("params", "tags"):
                database.execute(
                    f"UPDATE {table} SET value = value || ? WHERE run_uuid = ?",
                    [f" of {number}", uid],
                )
    return folder / "mlflow.db"


def _copy(database: sqlite3.Connection, table: str, old: str, new: str, **values: Any) -> None:
    values["run_uuid"] = new
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    chosen = ", ".join(f":{name}" if name in values else name for name in columns)
    database.execute(
        f"INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT {chosen} FROM {table} WHERE run_uuid = :old",
        values | {"old": old},
    )


def _told(database: sqlite3.Connection, sql: str) -> Rows:
    """The rows of a query by their first column, the run."""
    found: Rows = defaultdict(list)
    for run, *row in database.execute(sql):
        found[run].append(tuple(row))
    return found


def test_a_thousand_runs_come_whole_and_once(ws: Workspace, database: Path) -> None:
    uri = f"sqlite:///{database}"
    report = ws.import_mlflow(uri)
    with closing(sqlite3.connect(database)) as theirs:
        runs = _told(theirs, "SELECT run_uuid, name, start_time FROM runs")
        params = _told(theirs, "SELECT run_uuid, key, value FROM params")
        tags = _told(theirs, "SELECT run_uuid, key, value FROM tags")
        points = _told(theirs, "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics")
    assert report.runs == len(runs) == RUNS
    assert report.points == sum(map(len, points.values())) > 400 * RUNS
    for uid, [(name, start)] in runs.items():
        run = ws.run(uid)
        info = run.info()
        assert (info.display_name, info.created) == (name, start)
        assert info.params == dict(params[uid])
        assert info.tags == dict(tags[uid])
        wanted = defaultdict(list)
        for key, step, time, value, is_nan in points[uid]:
            wanted[key].append((step, time, repr(math.nan if is_nan else value)))
        assert info.metrics.keys() == wanted.keys()
        for key, rows in wanted.items():
            found = run.get_metric_history(key)
            here = zip(
                found.steps.tolist(),
                found.times.tolist(),
                map(repr, found.values.tolist()),
                strict=True,
            )
            assert sorted(here) == sorted(rows)
    again = ws.import_mlflow(uri)
    assert (again.runs, again.points, again.skipped) == (0, 0, RUNS)
