"""The workspace's database as the stores see it: queries, snapshots, transactions.

SQL uses named parameters (`:name`) and the common subset of SQLite and PostgreSQL. Writers take
turns on both: a transaction holds the write lock from its start, so what it reads can't change.
"""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ml_workspace_lab.errors import Conflict, StorageFull, Unavailable

SCHEMA_VERSION = 19
BUSY_SECONDS = 5.0
"""How long a call waits for others that hold the database."""
READ_SECONDS = 1.0
"""How long one waits that only reads, to take in what is new first."""

_MIB = 1024 * 1024

Row = Mapping[str, Any]


def now() -> int:
    """This moment in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def without_nul(said: str) -> str:
    """What a program said, which may be anything, as text that both databases keep."""
    return said.replace("\0", "\\x00")


class Cursor(Protocol):
    """What a statement left behind."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Queries(ABC):
    """What can be asked of a database, inside a transaction and outside."""

    @abstractmethod
    def run(self, sql: str, parameters: Mapping[str, Any]) -> Cursor:
        """Execute one statement."""

    def one(self, sql: str, **parameters: Any) -> Row | None:
        row: Row | None = self.run(sql, parameters).fetchone()
        return row

    def all(self, sql: str, **parameters: Any) -> list[Row]:
        return self.run(sql, parameters).fetchall()

    @abstractmethod
    def tuples(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The rows without their names: for long lists, whose names would take much of the time."""


class Reading(Queries):
    """Queries that see the database as it was at one moment, and may have a limit of time."""

    @abstractmethod
    def take_time(self) -> None:
        """Let what follows take as long as it takes."""


class Transaction(Queries):
    """Writes that become durable together, and the events that tell of them."""

    def execute(self, sql: str, **parameters: Any) -> Cursor:
        return self.run(sql, parameters)

    @abstractmethod
    def many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute one statement for each row of parameters."""

    def insert(self, table: str, **values: Any) -> None:
        """Add a row. Table and column names are the caller's own words."""
        self.run(_insertion(table, values), values)

    def add(self, table: str, **values: Any) -> int:
        """Add a row to a table that numbers its rows; the number."""
        row = self.run(f"{_insertion(table, values)} RETURNING id", values).fetchone()
        return int(row["id"])

    def event(self, kind: str, subject: str, **data: str) -> int:
        """Record a change of state in the same transaction as the change itself; its number."""
        return self.add("event", time=now(), kind=kind, subject=subject, data_json=json.dumps(data))


def _insertion(table: str, values: Mapping[str, Any]) -> str:
    columns = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join(f":{name}" for name in values)
    return f'INSERT INTO "{table}" ({columns}) VALUES ({marks})'  # noqa: S608


class Database(Queries):
    """A workspace's database; safe to use from any thread and after a fork."""

    @abstractmethod
    def check(self) -> None:
        """Raise where this is not a workspace's database, or not of a schema that can be used."""

    @abstractmethod
    def upgrade(self) -> None:
        """Bring a database of an earlier release to the present schema. Raises Unavailable while
        that release is at work; nothing is changed then."""

    @abstractmethod
    def write(
        self, *, durable: bool = True, frees: bool = False
    ) -> AbstractContextManager[Transaction]:
        """A transaction that commits at the end of the block and is undone by an exception.

        One that is not `durable` outlives the end of any process, but perhaps not a power cut:
        it doesn't wait for the disk. One that `frees` space is let through on a full disk.
        """

    @abstractmethod
    def read(self, seconds: float | None = None) -> AbstractContextManager[Reading]:
        """Queries that all see the database as it was at the first of them. Raises TooLong where
        they take over so many seconds, until they may take their time."""

    @abstractmethod
    def findings(self) -> list[str]:
        """What a check of the whole database finds wrong; empty where it is well."""

    @abstractmethod
    def describe(self) -> str:
        """What and where it is, in words, without credentials."""

    @abstractmethod
    def copy_to(self, path: Path) -> None:
        """Copy all of it, as it is at one moment, into a new SQLite file."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that it takes on disk."""

    @abstractmethod
    def shrink(self) -> None:
        """Give the space of what was deleted back, where that is worth the work."""

    @abstractmethod
    def is_there(self) -> bool:
        """Whether the database is still the one that was first opened here: neither removed nor
        replaced by that of a new workspace in the same place."""

    @abstractmethod
    def require(self) -> None:
        """Raise Unavailable where the database isn't there any more."""

    @abstractmethod
    def drop(self) -> None:
        """Remove everything in it, for good."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections that nobody uses; a later call opens new ones."""


class TooLong(Exception):
    """Queries were stopped, as they took longer than they may."""


def full_disk(free: int | None = None, wanted: int | None = None) -> StorageFull:
    """What to raise where the disk is full; bytes that are free, and that must be."""
    room = ""
    if free is not None and wanted is not None:
        room = f" ({free / _MIB:.0f} MiB are free, {wanted / _MIB:.0f} MiB are needed)"
    return StorageFull(
        f"The disk that holds the workspace is full{room}; nothing was changed.",
        hint="Free some space and try again: what was written can be read and deleted.",
    )


_patience = threading.local()


def busy_seconds() -> float:
    """How long a transaction of this thread waits for others."""
    return getattr(_patience, "seconds", BUSY_SECONDS)


@contextmanager
def hardly_waiting(seconds: float = READ_SECONDS) -> Iterator[None]:
    """Let this thread's transactions wait no longer: what they write can wait itself, or be left
    out, and the caller can't."""
    before = busy_seconds()
    _patience.seconds = min(seconds, before)
    try:
        yield
    finally:
        _patience.seconds = before


def busy() -> Unavailable:
    return Unavailable(
        f"Another process held the database for over {busy_seconds():g} s.",
        hint="Try again in a moment.",
    )


def other_schema(found: int) -> Conflict:
    """What to raise where the database has another schema than ours."""
    hint = "Use the release of ml_workspace_lab that made it, or a newer one."
    if found < SCHEMA_VERSION:
        hint = "Back the database up, then run `ml-workspace upgrade`."
    return Conflict(
        f"The workspace has schema {found}, this release reads {SCHEMA_VERSION}.", hint=hint
    )
