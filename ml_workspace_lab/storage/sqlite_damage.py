"""What is known of damage to a database file: once seen, nothing is written to it any more."""

import re
import sqlite3
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab.storage.files import write_atomic

_SHOWN = 20
"""Findings that are kept; a damaged page may bring thousands."""


class Damage:
    """A note beside the database, for every process that opens it."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.damaged")

    def is_known(self) -> bool:
        return self._path.exists()

    def where(self) -> str:
        """Which tables are damaged, in words to put into a sentence."""
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        names = sorted(set(re.findall(r"^table (\S+):", text, flags=re.MULTILINE)))
        return f" (table {', '.join(names)})" if names else ""

    def note(self, found: list[str]) -> None:
        with suppress(OSError):  # a disk that takes no note takes no other writes either
            write_atomic(self._path, "\n".join(found).encode())

    def forget(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def findings(connection: sqlite3.Connection) -> list[str]:
    """What a check finds wrong, each with the table that it is in; empty where all is well."""
    try:
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        found = [line for row in rows for line in _table_findings(connection, row[0])]
        if not found:
            whole = connection.execute("PRAGMA quick_check").fetchall()
            found = [row[0] for row in whole if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        return [f"the list of tables can't be read: {error}"]
    return found[:_SHOWN]


def _table_findings(connection: sqlite3.Connection, table: str) -> list[str]:
    try:
        rows = connection.execute(f'PRAGMA quick_check("{table}")').fetchall()
    except sqlite3.DatabaseError as error:
        return [f"table {table}: {error}"]
    lines = [line for row in rows if row[0] != "ok" for line in row[0].splitlines()]
    return [f"table {table}: {line}" for line in lines]
