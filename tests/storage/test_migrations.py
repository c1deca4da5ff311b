"""A workspace of the first release, made by that release, is all there in this one."""

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.endpoints import store
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.storage.database import SCHEMA_VERSION
from ml_workspace_lab.storage.migrations import to_schema_11
from ml_workspace_lab.storage.sqlite import SqliteDatabase
from tests.storage.schema1 import plain, rows, shape, version

COPY = "workspace.db.schema1"
OPEN = """
import sys
from contextlib import closing
from ml_workspace_lab import Workspace
print(len(Workspace.open(sys.argv[1]).runs()))
print([m for m in ("sqlalchemy", "alembic", "pandas", "psycopg") if m in sys.modules])
"""


def test_every_run_is_as_it_was(old: Path, told: Any) -> None:
    ws = Workspace.open(old)
    info = plain(ws.connection.workspaces.get())
    assert {**info, **told["workspace"]} == info
    assert {run.id for run in ws.runs()} == told["runs"].keys()
    for run_id, was in told["runs"].items():
        if run_id == told["killed"]:
            continue
        now = plain(ws.connection.runs.get(run_id))
        metrics, were = now.pop("metrics"), was.pop("metrics")
        assert {**now, **was} == now
        assert plain(ws.connection.artifacts.list(run_id).items) == told["artifacts"][run_id]
        assert plain(ws.connection.runs.history(run_id).items) == told["history"][run_id]
        assert metrics.keys() == were.keys()
        for name, summary in were.items():
            assert {**metrics[name], **summary} == metrics[name], name


def test_every_value_of_every_metric_is_there(old: Path, told: Any) -> None:
    ws = Workspace.open(old)
    compared = 0
    for run_id, series in told["metrics"].items():
        assert plain(ws.connection.metrics.get(run_id).items) == series
        compared += sum(len(one["values"]) for one in series)
    assert compared > 6000
    [odd] = [one for run in told["metrics"].values() for one in run if one["name"] == "odd"]
    assert odd["values"][:3] == ["NaN", "Infinity", "-Infinity"]


def test_metrics_whose_journals_were_lost_keep_their_summary(old: Path) -> None:
    [lost] = [run for run in Workspace.open(old).runs() if run.display_name == "journals lost"]
    [summary] = lost.info().metrics.values()
    assert (summary.count, summary.last, summary.last_step, summary.min) == (2, 9.0, 4, 7.25)
    assert lost.get_metrics() == {}


def test_a_run_that_was_killed_is_closed_with_what_it_had_logged(old: Path, told: Any) -> None:
    run = Workspace.open(old).run(told["killed"])
    assert run.get_status() == "Failed"
    assert run.get_metrics()["loss"] == [float(step) for step in range(30)]


def test_what_is_searched_is_what_is_shown(old: Path) -> None:
    Workspace.open(old)
    database = SqliteDatabase(old / "workspace.db")
    kinds = {"param": "params", "tag": "tags", "property": "properties"}
    for row in database.all("SELECT id, doc FROM run"):
        document = msgspec.msgpack.decode(row["doc"])
        shown = {
            (kind, name): value if isinstance(value, str) else str(value)
            for kind, field in kinds.items()
            for name, value in document[field].items()
        }
        kept = database.all(
            "SELECT k.kind, k.name, a.value, a.number FROM attribute a JOIN key k ON k.id = a.key"
            " WHERE a.run = :run",
            run=row["id"],
        )
        large = {tuple(mark.split(":", 1)) for mark in document["large"]}
        assert {(one["kind"], one["name"]): one["value"] for one in kept} == shown | {
            (one["kind"], one["name"]): one["value"]
            for one in kept
            if (one["kind"], one["name"]) in large
        }
        for one in kept:
            if one["number"] is not None:
                assert math.isclose(one["number"], float(one["value"]))
    live = database.all("SELECT live, runs FROM experiment")
    assert live
    assert all(row["live"] == row["runs"] for row in live)
    stale = database.all(
        "SELECT r.uid FROM run r WHERE changed <> (SELECT max(id) FROM event WHERE subject = r.uid)"
    )
    assert not stale


def test_nothing_is_lost_but_the_tables_that_others_replace(old: Path, told: Any) -> None:
    Workspace.open(old)
    for table, count in told["counts"].items():
        if table not in ("param", "tag", "property", "series", "event", "audit"):
            [[now]] = rows(old / "workspace.db", f'SELECT count(*) FROM "{table}"')
            assert now == count, table


def test_the_upgraded_schema_is_the_fresh_one(old: Path, tmp_path: Path) -> None:
    Workspace.open(old)
    SqliteDatabase.create(tmp_path / "fresh.db")
    assert shape(old / "workspace.db") == shape(tmp_path / "fresh.db")
    assert version(old) == SCHEMA_VERSION
    assert rows(old / "workspace.db", "PRAGMA integrity_check") == [("ok",)]


def test_the_upgraded_workspace_takes_new_work(old: Path) -> None:
    ws = Workspace.open(old)
    with ws.experiment("wine").start_logging() as run:
        run.log_params({"lr": 1})
        run.log("loss", 1.0)
    numbers = [one.number for one in ws.runs() if one.listed.experiment == "wine"]
    assert len(numbers) == len(set(numbers))
    assert run.info().metrics["loss"].last == 1.0


def test_documents_of_json_become_messagepack_with_the_same_values(tmp_path: Path) -> None:
    ws = Workspace.create("lab", tmp_path / "lab")
    params = {"lr": 1.0, "epochs": 3, "seed": 2**100, "cold": True, "note": "x" * 9000}
    with ws.experiment("wine").start_logging(tags={"kind": "red"}) as run:
        run.log_params(params)
        run.log("loss", math.nan, step=1)
        run.log("loss", 0.5, step=2)
    told = plain(ws.connection.runs.get(run.id))
    ws.close()
    with closing(sqlite3.connect(tmp_path / "lab" / "workspace.db")) as connection, connection:
        [[doc]] = connection.execute("SELECT doc FROM run").fetchall()
        document = msgspec.msgpack.decode(doc)
        document["large"].remove("integer:seed")
        document["params"]["seed"] = 2**100
        connection.execute("UPDATE run SET doc = ?", [json.dumps(document).encode()])
    with SqliteDatabase(tmp_path / "lab" / "workspace.db").write() as transaction:
        to_schema_11.fill(transaction, tmp_path / "lab")
    ws = Workspace.open(tmp_path / "lab")
    assert plain(ws.connection.runs.get(run.id)) == told
    assert ws.run(run.id).params == params
    found = ws.search_runs("params.seed IS NOT NULL", as_="arrow")
    assert found["params.seed"].to_pylist() == [str(2**100)]


def test_what_an_endpoint_served_becomes_its_only_deployment(old: Path) -> None:
    with closing(sqlite3.connect(old / "workspace.db")) as connection, connection:
        connection.execute(
            "INSERT INTO endpoint (name, model, version, port, state, reason, generation, restarts,"
            " primary_hash, secondary_hash, tags_json, user, created, updated) VALUES ('wine',"
            " 'wine', 1, 5001, 'Healthy', '', 7, 2, x'aa', x'bb', '{\"a\": \"b\"}', 'me', 3, 4)"
        )
    [wanted] = store.endpoints(Workspace.open(old).connection.storage.database)
    [deployment] = wanted.deployments
    info = wanted.info
    assert (info.name, info.port, info.tags, info.user) == ("wine", 5001, {"a": "b"}, "me")
    assert (info.model, info.model_version, info.traffic) == ("wine", 1, {"default": 100})
    assert (wanted.primary_hash, wanted.secondary_hash) == (b"\xaa", b"\xbb")
    assert deployment.info.state == "Creating", "a process that knows of others takes over"
    assert (wanted.generation, deployment.generation) == (8, 8)


def test_opening_it_takes_the_standard_library_alone(old: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(old)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["7", "[]"]


def test_putting_the_copy_back_goes_back(old: Path, tmp_path: Path) -> None:
    before = shape(old / "workspace.db")
    files = {path for path in (old / "runs").rglob("*") if path.is_file()}
    ws = Workspace.open(old)
    assert len(ws.runs()) == 7
    ws.close()
    assert {path for path in (old / "runs").rglob("*") if path.is_file()} >= files
    assert shape(old / COPY) == before
    for name in ("workspace.db-wal", "workspace.db-shm"):
        (old / name).unlink(missing_ok=True)
    shutil.copy(old / COPY, old / "workspace.db")
    assert version(old) == 1
    assert len(Workspace.open(old).runs()) == 7, "and forward again"


def test_a_newer_schema_is_refused_with_both_versions(old: Path) -> None:
    with sqlite3.connect(old / "workspace.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    content = (old / "workspace.db").read_bytes()
    with pytest.raises(Conflict, match=f"schema 99, this release reads {SCHEMA_VERSION}"):
        Workspace.open(old)
    assert (old / "workspace.db").read_bytes() == content


def test_alembic_upgrades_a_file_alike(old: Path, tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    from ml_workspace_lab.storage.migrations import revisions

    path = old / "workspace.db"
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(path, isolation_level=None))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        revisions.upgrade(connection, old)
        connection.commit()
    engine.dispose()
    SqliteDatabase.create(tmp_path / "fresh.db")
    assert shape(path) == shape(tmp_path / "fresh.db")
    assert len(Workspace.open(old).runs()) == 7
    assert os.path.lexists(path)
