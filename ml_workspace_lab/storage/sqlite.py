"""SQLite in WAL mode: one writer at a time, a reader for each thread."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput, Unavailable
from ml_workspace_lab.storage.database import (
    SCHEMA_VERSION,
    Database,
    Reading,
    TooLong,
    Transaction,
    busy,
    busy_seconds,
    full_disk,
    other_schema,
)
from ml_workspace_lab.storage.reserve import AMPLE, Reserve
from ml_workspace_lab.storage.sqlite_connections import (
    Connections,
    SqliteQueries,
    SqliteReading,
    SqliteTransaction,
)
from ml_workspace_lab.storage.sqlite_damage import Damage, findings
from ml_workspace_lab.storage.sqlite_errors import code, damaged, failed_disk, translated_errors

_WRITES_FAILED = (
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
)
STEPS = 10_000
"""Steps of SQLite's machine between looks at the clock."""
APPLICATION_ID = 0x4D4C5753  # "MLWS"
SCHEMA = Path(__file__).with_name("sqlite.sql")


class SqliteDatabase(Database):
    """One database file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._connections = Connections(path)
        self._lock = os.getpid(), threading.Lock()
        self._reserve = Reserve(path.with_name(f"{path.name}.reserve"))
        self._damage = Damage(path)
        self._failure = ""

    @classmethod
    def create(cls, path: Path) -> "SqliteDatabase":
        """A new, empty database with the present schema."""
        sql = SCHEMA.read_text(encoding="utf-8")
        database = cls(path)
        held = database._connections.hold()
        with (
            translated_errors(),
            closing(sqlite3.connect(path, isolation_level=None)) as connection,
        ):
            _have_wal(connection)
            connection.executescript(f"BEGIN;\n{sql}\nCOMMIT;")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        del held
        database._reserve.lay_by()
        return database

    def check(self) -> None:
        """Raise where this is not a workspace's database, or one of a newer release. One of an
        earlier release is brought to the present schema first."""
        if not self.path.is_file():
            raise InvalidInput(f"{self.path} is not there.", field="workspace")
        if self._version() < SCHEMA_VERSION:
            self.upgrade()
        if (found := self._version()) != SCHEMA_VERSION:
            raise other_schema(found)
        if self.tuples("PRAGMA journal_mode") != [("wal",)]:
            with self._turn(), self._errors():  # some other program has changed it
                _have_wal(self._writer(durable=True))
        self._reserve.lay_by()

    def upgrade(self) -> None:
        from ml_workspace_lab.storage.migrations.sqlite import upgrade

        held = self._connections.hold()
        self.close()
        upgrade(self.path)
        del held

    def run(self, sql: str, parameters: Mapping[str, Any]) -> "_Rows":
        # All at once: an error of the machine may come with any row.
        with self._errors():
            cursor = self._reader().execute(sql, parameters)
            return _Rows(cursor.fetchall(), cursor.rowcount)

    def tuples(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._errors():
            return SqliteQueries(self._reader()).tuples(sql, **parameters)

    @contextmanager
    def read(self, seconds: float | None = None) -> Iterator[Reading]:
        with self._errors():
            connection = self._reader()
            connection.execute("BEGIN")
            if seconds is not None:
                end = time.monotonic() + seconds
                connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
            try:
                yield SqliteReading(connection)
            except sqlite3.OperationalError as error:
                if code(error) != sqlite3.SQLITE_INTERRUPT:
                    raise
                raise TooLong from error
            finally:
                connection.set_progress_handler(None, 0)
                connection.execute("COMMIT")

    @contextmanager
    def write(self, *, durable: bool = True, frees: bool = False) -> Iterator[Transaction]:
        with self._turn() as seconds, self._errors(writing=True):
            self._admit(frees=frees)
            connection = self._writer(durable=durable)
            connection.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteTransaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def findings(self) -> list[str]:
        with translated_errors():
            found = findings(self._reader())
        if found:
            self._damage.note(found)
        else:
            self._damage.forget()
        return found

    def describe(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}: {self.path.name}"

    def copy_to(self, path: Path) -> None:
        # A full disk is another one, perhaps: it is no reason to spend this one's reserve.
        with translated_errors(), closing(sqlite3.connect(path)) as target:
            self._reader().backup(target)

    def size(self) -> int:
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def shrink(self) -> None:
        from ml_workspace_lab.storage.sqlite_shrink import shrink

        with self._turn(), translated_errors():
            shrink(self._writer(durable=True), self._reserve.free())

    def is_there(self) -> bool:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        found = status.st_dev, status.st_ino
        self._identity = self._identity or found
        return found == self._identity

    def require(self) -> None:
        # An open connection would go on writing into a file that no name leads to.
        if not self.is_there():
            raise Unavailable(
                f"The workspace's database {self.path} was removed or replaced.",
                hint="Open the workspace anew, if there is one.",
            )

    def drop(self) -> None:
        """Nothing: the file goes with the workspace's folder."""

    def close(self) -> None:
        self._connections.close()

    def _version(self) -> int:
        application = self.one("SELECT application_id AS id FROM pragma_application_id")
        version = self.one("SELECT user_version AS id FROM pragma_user_version")
        if application is None or application["id"] != APPLICATION_ID or version is None:
            raise InvalidInput(f"{self.path} is not a workspace's database.", field="workspace")
        return int(version["id"])

    @contextmanager
    def _turn(self) -> Iterator[float]:
        """This process's right to write, for one thread; the seconds left to wait for others."""
        if self._lock[0] != os.getpid():
            self._lock = os.getpid(), threading.Lock()  # a fork may have copied a lock that is held
        lock, began = self._lock[1], time.monotonic()
        if not lock.acquire(timeout=busy_seconds()):
            raise busy()
        try:
            yield max(0.0, busy_seconds() - (time.monotonic() - began))
        finally:
            lock.release()

    def _admit(self, *, frees: bool) -> None:
        """Raise where nothing may be written now."""
        if self._failure:
            raise failed_disk(self._failure)
        if self._damage.is_known():
            raise damaged(self._damage.where())
        if frees:
            self._reserve.spend_if_short()
        elif self._reserve.is_spent() and not self._reserve.lay_by():
            raise full_disk(self._reserve.free(), AMPLE)

    @contextmanager
    def _errors(self, *, writing: bool = False) -> Iterator[None]:
        """Errors in our words, and what follows from them for later calls."""
        with translated_errors():
            try:
                yield
            except sqlite3.Error as error:
                number = code(error)
                if number == sqlite3.SQLITE_FULL:
                    self._reserve.spend()
                if number == sqlite3.SQLITE_CORRUPT and (found := findings(self._reader())):
                    self._damage.note(found)
                    raise damaged(self._damage.where()) from error
                if number == sqlite3.SQLITE_IOERR and self._reserve.is_disk_full():
                    self._reserve.spend()
                    raise full_disk() from error
                if writing and error.sqlite_errorcode in _WRITES_FAILED:
                    self._failure = str(error)
                    raise failed_disk(self._failure) from error
                raise

    def _reader(self) -> sqlite3.Connection:
        self.require()
        return self._connections.reader()

    def _writer(self, *, durable: bool) -> sqlite3.Connection:
        self.require()
        return self._connections.writer(durable=durable)


def _have_wal(connection: sqlite3.Connection) -> None:
    """Have readers and a writer go on side by side. Raises Unavailable where the file system can't:
    SQLite then says so and goes on in another way."""
    [mode] = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise Unavailable(
            f"The file system is not fit for the database: SQLite keeps no write-ahead log there,"
            f" and went on with {mode!r}.",
            hint="Keep the folder on a local disk, or the records in PostgreSQL.",
        )


class _Rows:
    """The rows of a statement that has ended."""

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[Any]:
        return self._rows
