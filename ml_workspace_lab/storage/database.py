"""The workspace's database: SQLite in WAL mode, one writer at a time, a reader for each thread.

SQL uses named parameters (`:name`) and a common subset of SQLite and PostgreSQL.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import Conflict, InvalidInput, StorageFull, Unavailable, WorkspaceError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x4D4C5753  # "MLWS"
BUSY_SECONDS = 10.0

Row = sqlite3.Row


def now() -> int:
    """This moment in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


class Transaction:
    """Writes that become durable together, and the events that tell of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, **parameters: Any) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)

    def one(self, sql: str, **parameters: Any) -> Row | None:
        row: Row | None = self._connection.execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, **parameters: Any) -> list[Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def insert(self, table: str, **values: Any) -> int:
        """Add a row and return its id. Table and column names are the caller's own words."""
        columns = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join(f":{name}" for name in values)
        cursor = self._connection.execute(
            f'INSERT INTO "{table}" ({columns}) VALUES ({marks})',  # noqa: S608
            values,
        )
        return cursor.lastrowid or 0

    def event(self, kind: str, subject: str, **data: str) -> None:
        """Record a change of state in the same transaction as the change itself."""
        self.insert("event", time=now(), kind=kind, subject=subject, data_json=json.dumps(data))


class Database:
    """Connections to one database file; safe to use from any thread and after a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._local = threading.local()
        self._write_lock = threading.RLock()

    @classmethod
    def create(cls, path: Path) -> "Database":
        """A new, empty database with the present schema."""
        sql = resources.files(__package__).joinpath("sqlite.sql").read_text(encoding="utf-8")
        with translated_errors(), sqlite3.connect(path, isolation_level=None) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(f"BEGIN;\n{sql}\nCOMMIT;")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.close()
        return cls(path)

    def check(self) -> None:
        """Raise where the file is not a workspace's database, or one of another release."""
        if not self.path.is_file():
            raise InvalidInput(f"{self.path} is not there.", field="workspace")
        with translated_errors():
            application = self.one("SELECT application_id AS id FROM pragma_application_id")
            version = self.one("SELECT user_version AS id FROM pragma_user_version")
        if application is None or application["id"] != APPLICATION_ID or version is None:
            raise InvalidInput(f"{self.path} is not a workspace's database.", field="workspace")
        if version["id"] != SCHEMA_VERSION:
            raise Conflict(
                f"The workspace has schema {version['id']}, this release reads {SCHEMA_VERSION}.",
                hint="Use the release of ml_workspace_lab that made it, or a newer one.",
            )

    def one(self, sql: str, **parameters: Any) -> Row | None:
        with translated_errors():
            row: Row | None = self._reader().execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, **parameters: Any) -> list[Row]:
        with translated_errors():
            return self._reader().execute(sql, parameters).fetchall()

    def data_version(self) -> int:
        """A number that changes when another connection has written."""
        row = self.one("SELECT data_version AS version FROM pragma_data_version")
        return int(row["version"]) if row else 0

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that commits at the end of the block and is undone by an exception.

        It holds the write lock from its start, so what it reads can't change under it.
        """
        with translated_errors(), self._write_lock:
            connection = self._writer()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def is_there(self) -> bool:
        """Whether the file is still the one that was first opened here: neither removed nor
        replaced by that of a new workspace in the same folder."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        found = status.st_dev, status.st_ino
        self._identity = self._identity or found
        return found == self._identity

    def require(self) -> None:
        """Raise Unavailable where the file isn't there any more. An open connection would go on
        writing into one that no name leads to."""
        if not self.is_there():
            raise Unavailable(
                f"The workspace's database {self.path} was removed or replaced.",
                hint="Open the workspace anew, if there is one.",
            )

    def close(self) -> None:
        """Close this thread's connections; the others go with their threads."""
        for name in ("reader", "writer"):
            entry = getattr(self._local, name, None)
            if entry is not None and entry[0] == os.getpid():
                entry[1].close()
            setattr(self._local, name, None)

    def _reader(self) -> sqlite3.Connection:
        return self._connection("reader")

    def _writer(self) -> sqlite3.Connection:
        return self._connection("writer")

    def _connection(self, name: str) -> sqlite3.Connection:
        self.require()
        # A connection must not cross a fork: the child opens its own.
        entry = getattr(self._local, name, None)
        if entry is None or entry[0] != os.getpid():
            entry = (os.getpid(), self._open())
            setattr(self._local, name, entry)
        connection: sqlite3.Connection = entry[1]
        return connection

    def _open(self) -> sqlite3.Connection:
        # "rw": a database that has just been removed is not made again, empty.
        address = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        # FULL: an answer that says "done" survives a power cut.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA journal_size_limit=67108864")
        return connection


@contextmanager
def translated_errors() -> Iterator[None]:
    """SQLite's errors about the machine as errors that a user can act on."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _translated(error) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError):
            raise
        raise Unavailable(
            f"The database can't be read: {error}.",
            hint="Run `ml-workspace diagnose`; restore it from a backup if it is damaged.",
        ) from error


def _translated(error: sqlite3.OperationalError) -> WorkspaceError | sqlite3.OperationalError:
    text = str(error)
    if "disk is full" in text:
        return full_disk()
    if "locked" in text or "busy" in text:
        return Unavailable(
            f"Another process held the database for over {BUSY_SECONDS:.0f} s.",
            hint="Try again in a moment.",
        )
    if "readonly" in text or "unable to open" in text or "disk I/O" in text:
        return Unavailable(
            f"The workspace's database can't be used: {text}.",
            hint="Check that its folder exists and may be written.",
        )
    return error


def full_disk() -> StorageFull:
    return StorageFull(
        "The disk that holds the workspace is full; nothing was changed.",
        hint="Free some space and try again.",
    )
