"""Upgrading a SQLite file with the standard library alone.

A copy of the file as it was is put beside it first. All steps are one transaction of the file
itself, checked before it commits: whatever ends this process, the file is of the one schema or of
the other, whole. Files in the workspace's folder are only read, so that putting the copy back goes
back.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.database import BUSY_SECONDS, SCHEMA_VERSION
from ml_workspace_lab.storage.files import disk_errors, flock, sync_folder
from ml_workspace_lab.storage.migrations import steps
from ml_workspace_lab.storage.sqlite_connections import SqliteTransaction
from ml_workspace_lab.storage.sqlite_errors import translated_errors


def upgrade(path: Path) -> None:
    """Bring the database file at `path` to the present schema; a process that comes meanwhile
    waits. Raises Unavailable while an earlier release works there, StorageFull where there is no
    room for a copy; nothing is changed then."""
    with _alone(path.parent), translated_errors(), closing(_open(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        transaction = SqliteTransaction(connection)
        version = _version(connection)
        if version >= SCHEMA_VERSION:
            return  # Another process was faster.
        steps.require_rest(transaction, path.parent)
        _copy(path, path.with_name(f"{path.name}.schema{version}"))
        before = _counts(connection)
        for wanted in range(version + 1, SCHEMA_VERSION + 1):
            steps.take(transaction, wanted, "sqlite", path.parent)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        _check(connection, before)
        connection.execute("COMMIT")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, waiting for whoever has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=FULL")
    # Tables are made anew under their names; what refers to them is checked at the end.
    connection.execute("PRAGMA foreign_keys=OFF")
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _copy(path: Path, target: Path) -> None:
    """A copy of the database beside it, whole or absent."""
    unfinished = target.with_name(f".{target.name}")
    for leftover in target.parent.glob(f"{unfinished.name}*"):
        leftover.unlink()
    try:
        with disk_errors(), closing(_open(path)) as source:
            with closing(sqlite3.connect(unfinished)) as copy:
                source.backup(copy)
            unfinished.chmod(path.stat().st_mode)
            unfinished.replace(target)
            sync_folder(target.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    """The rows of each table."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {
        row["name"]: connection.execute(f'SELECT count(*) FROM "{row["name"]}"').fetchone()[0]  # noqa: S608
        for row in names
    }


def _check(connection: sqlite3.Connection, before: dict[str, int]) -> None:
    """Raise where the upgraded database is not whole: it isn't committed then."""
    whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
    orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    after = _counts(connection)
    lost = [name for name, count in before.items() if after.get(name, count) < count]
    if "attribute" in after and "param" in before:
        attributes = sum(before[name] for name in ("param", "tag", "property"))
        lost += ["attribute"] if after["attribute"] != attributes else []
    if whole != "ok" or orphan is not None or lost:
        raise Unavailable(
            f"The upgrade was undone, for it would have left {', '.join(lost) or 'rows'} damaged.",
            hint="Go on with the earlier release, and report this.",
        )
