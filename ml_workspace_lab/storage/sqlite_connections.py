"""Connections to a SQLite file: each thread has its own, and none crosses a fork."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from weakref import ref

from ml_workspace_lab.storage.database import BUSY_SECONDS, Queries, Reading, Transaction
from ml_workspace_lab.storage.one_machine import Hold, hold, require_here
from ml_workspace_lab.storage.patterns import is_like
from ml_workspace_lab.storage.reserve import WAL_LIMIT

_READ_WRITE = "rw"  # and not "rwc": a file that has just been removed is not made again, empty


class SqliteQueries(Queries):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Mapping[str, Any]) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)

    def tuples(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return cursor.execute(sql, parameters).fetchall()


class SqliteReading(SqliteQueries, Reading):
    def take_time(self) -> None:
        self._connection.set_progress_handler(None, 0)


class SqliteTransaction(SqliteQueries, Transaction):
    def many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        self._connection.executemany(sql, rows)


class _Connection(sqlite3.Connection):
    hold: Hold | None = None
    """This machine's, for as long as the file is open: Python may close it late."""

    def close(self) -> None:
        super().close()
        self.hold = None


class _Entry(NamedTuple):
    process: int
    mode: str
    connection: _Connection


class Connections:
    """This thread's connections to the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._hold: ref[Hold] | None = None

    def hold(self) -> Hold:
        """This machine's hold on the file, which lasts for as long as anybody keeps it. Raises
        Unavailable where another machine has the file open."""
        held = self._hold() if self._hold is not None else None
        if held is None:
            held = hold(self._path)
            self._hold = ref(held)
        return held

    def reader(self) -> sqlite3.Connection:
        return self._get("reader")

    def writer(self, *, durable: bool) -> sqlite3.Connection:
        # One connection for each: a transaction can't change whether it waits for the disk.
        return self._get("durable" if durable else "writer")

    def close(self) -> None:
        """Close this thread's connections; the others go with their threads."""
        for name, entry in list(vars(self._local).items()):
            if entry.process == os.getpid():
                entry.connection.close()
            delattr(self._local, name)

    def _get(self, name: str) -> sqlite3.Connection:
        entry: _Entry | None = getattr(self._local, name, None)
        if entry is not None and entry.mode != _READ_WRITE and self._mode() == _READ_WRITE:
            self.close()  # what was opened on a read-only disk doesn't see what others write now
            entry = None
        if entry is None or entry.process != os.getpid():
            mode = self._mode()
            entry = _Entry(os.getpid(), mode, self._open(name, mode))
            setattr(self._local, name, entry)
        return entry.connection

    def _mode(self) -> str:
        """How the file can be opened."""
        if not os.statvfs(self._path).f_flag & os.ST_RDONLY:
            return _READ_WRITE
        log = self._path.with_name(f"{self._path.name}-wal")
        return "ro" if log.exists() and log.stat().st_size else "ro&immutable=1"

    def _open(self, name: str, mode: str) -> _Connection:
        held = None
        if mode == _READ_WRITE:
            held = self.hold()
        else:
            require_here(self._path)
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, factory=_Connection
        )
        connection.hold = held
        connection.row_factory = sqlite3.Row
        # FULL: an answer that says "done" survives a power cut.
        level = "FULL" if name == "durable" else "NORMAL"
        connection.execute(f"PRAGMA synchronous={level}")
        for setting in ("foreign_keys=ON", "temp_store=MEMORY", "cache_size=-65536"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
        connection.create_function("exact_number", 1, _exact_number, deterministic=True)
        connection.create_function("is_like", 3, _is_like, deterministic=True)
        connection.create_function("is_found", 2, _is_found, deterministic=True)
        return connection


def _exact_number(value: str | float) -> float:
    """The double that a text spells; a number itself."""
    return float(value) if isinstance(value, str) else value


def _is_like(text: str | None, pattern: str, fold: int) -> bool | None:
    return None if text is None else is_like(text, pattern, fold=bool(fold))


def _is_found(text: str | None, expression: str) -> bool | None:
    from ml_workspace_lab.storage.regular_machine import is_found

    return None if text is None else is_found(text, expression)
