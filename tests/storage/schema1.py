"""The workspace that the first release made, and how a database file looks."""

import json
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

FIXTURE = Path(__file__).parent / "fixtures" / "schema1.tar.xz"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A workspace of the first release: a run of it was killed in the middle, the metrics of
    another were removed."""
    with tarfile.open(FIXTURE) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from 3.11.4 on
        archive.extractall(tmp_path)
    return tmp_path / "schema1"


@pytest.fixture
def told(old: Path) -> Any:
    """What the first release said of it."""
    return json.loads((old / "expected.json").read_text(encoding="utf-8"))


def rows(path: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(path)
    found = connection.execute(sql).fetchall()
    connection.close()
    return found


def shape(path: Path) -> Any:
    """Each table's columns in whatever order, its foreign keys and its indexes."""
    tables = rows(path, "SELECT name, wr FROM pragma_table_list WHERE schema = 'main'")
    found: dict[str, Any] = {}
    for name, without_rowid in tables:
        columns = f'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo("{name}")'
        keys = f'SELECT "table", "from", "to", on_delete FROM pragma_foreign_key_list("{name}")'
        indexes = f'SELECT name, "unique", origin, partial FROM pragma_index_list("{name}")'
        found[name] = without_rowid, *(sorted(rows(path, sql)) for sql in (columns, keys, indexes))
    text = "SELECT name, sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL"
    return found, sorted(rows(path, text))


def version(root: Path) -> int:
    return int(rows(root / "workspace.db", "PRAGMA user_version")[0][0])


def plain(value: Any) -> Any:
    """As it goes over the wire."""
    return json.loads(msgspec.json.encode(value))
