"""Alembic's revisions on PostgreSQL: from the first release's schema to the present one."""

import json
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.storage.database import SCHEMA_VERSION
from ml_workspace_lab.storage.engine import POINTER, upgrade_database
from ml_workspace_lab.storage.migrations import revisions
from ml_workspace_lab.storage.postgresql import PostgresDatabase
from ml_workspace_lab.storage.schema import metadata
from tests.postgresql import Cluster
from tests.storage.schema1 import FIXTURE, plain

ORDER = "experiment run run_history param tag property series artifact snapshot job"
TABLES = [*ORDER.split(), "model", "model_version", "token", "event", "audit", "workspace"]


@pytest.fixture
def old(tmp_path: Path, postgresql: Cluster) -> Any:
    """A workspace of schema 1 whose rows are in PostgreSQL: its folder and the URL."""
    with tarfile.open(FIXTURE) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from 3.11.4 on
        archive.extractall(tmp_path)
    root = tmp_path / "schema1"
    with postgresql.schema() as url:
        with revisions.postgresql(url) as connection:
            revisions.upgrade(connection, root, "0001")
        _copy(root / "workspace.db", url)
        (root / "workspace.db").unlink()
        (root / POINTER).write_text(json.dumps({"url": url}))
        yield root, url


def _copy(path: Path, url: str) -> None:
    source = sqlite3.connect(path)
    source.row_factory = sqlite3.Row
    with psycopg.connect(url) as target:
        for table in TABLES:
            names = ""
            for row in source.execute(f"SELECT * FROM {table}"):
                names = ", ".join(f'"{name}"' for name in row.keys())  # noqa: SIM118
                marks = ", ".join(["%s"] * len(row))
                target.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row))
            if '"id"' in names:
                last = (
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
                )
                target.execute(last)
    source.close()


def differences(url: str) -> list[Any]:
    with revisions.postgresql(url) as connection:
        options = {"compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def test_everything_comes_along(old: tuple[Path, str]) -> None:
    root, _ = old
    told = json.loads((root / "expected.json").read_text(encoding="utf-8"))
    with pytest.raises(Conflict, match=f"schema 1, this release reads {SCHEMA_VERSION}"):
        Workspace.open(root)
    upgrade_database(root)
    ws = Workspace.open(root)
    for run_id, was in told["runs"].items():
        now = plain(ws.connection.runs.get(run_id))
        if run_id != told["killed"]:
            metrics, were = now.pop("metrics"), was.pop("metrics")
            assert {**now, **was} == now
            assert all({**metrics[name], **were[name]} == metrics[name] for name in were)
        assert plain(ws.connection.metrics.get(run_id).items) == told["metrics"][run_id]
        assert plain(ws.connection.artifacts.list(run_id).items) == told["artifacts"][run_id]
    with ws.experiment("wine").start_logging() as run:
        run.log("loss", 1.0)
    assert run.get_metrics() == {"loss": 1.0}
    ws.close()


def test_the_upgraded_schema_is_the_fresh_one(old: tuple[Path, str], postgresql: Cluster) -> None:
    root, url = old
    upgrade_database(root)
    assert differences(url) == []
    with postgresql.schema() as fresh:
        PostgresDatabase.create(fresh, root / POINTER).close()
        assert differences(fresh) == []
        assert indexes(url) == indexes(fresh)
        assert version(url) == version(fresh) == f"{SCHEMA_VERSION:04}"


def indexes(url: str) -> list[Any]:
    """Indexes with their columns, expressions and conditions."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT tablename, replace(indexdef, current_schema(), '') FROM pg_indexes"
            " WHERE schemaname = current_schema() ORDER BY 1, 2"
        )
        return rows.fetchall()


def version(url: str) -> str:
    with psycopg.connect(url) as connection:
        [[found]] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(found)


def test_an_upgrade_that_fails_is_undone_whole(old: tuple[Path, str]) -> None:
    root, url = old
    keys = next((root / "runs").rglob("*.keys"))
    keys.write_bytes(b"no JSON\n")
    with pytest.raises(ValueError, match="Expecting value"):
        upgrade_database(root)
    assert version(url) == "0001"
    with psycopg.connect(url) as connection:
        [[params]] = connection.execute("SELECT count(*) FROM param").fetchall()
    assert params > 0
