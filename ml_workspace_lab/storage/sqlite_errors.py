"""SQLite's errors about the machine as errors that a user can act on."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ml_workspace_lab.errors import Unavailable, WorkspaceError
from ml_workspace_lab.storage.database import busy, full_disk


@contextmanager
def translated_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        translated = _translated(error)
        if translated is None:
            raise
        raise translated from error


def code(error: BaseException | None) -> int:
    """SQLite's primary code for an error; 0 where it is none of SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def damaged(where: str) -> Unavailable:
    """What to raise on a damaged database; `where` names its tables, as far as is known."""
    return Unavailable(
        f"The database is damaged{where}; it can be read as far as it is whole, not written.",
        hint="Run `ml-workspace recover FOLDER` to save what can be read, or restore a backup and"
        " run `ml-workspace diagnose`.",
    )


def failed_disk(reason: str) -> Unavailable:
    """What to raise after the disk has failed to write: what it says from then on means little."""
    return Unavailable(
        f"The disk failed while the database was being written ({reason}): no more is written.",
        hint="Check the disk and run `ml-workspace diagnose`, then start this process anew.",
    )


def _translated(error: sqlite3.Error) -> WorkspaceError | None:
    number = code(error)
    if number == sqlite3.SQLITE_FULL:
        return full_disk()
    if number in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return busy()
    if number == sqlite3.SQLITE_CORRUPT:
        return damaged("")
    if number == sqlite3.SQLITE_NOTADB:
        return Unavailable(
            f"The database can't be read: {error}.",
            hint="Run `ml-workspace diagnose`; restore it from a backup if it is damaged.",
        )
    if number in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return Unavailable(
            f"The workspace's database can't be used: {error}.",
            hint="Check that its folder exists and may be written.",
        )
    return None
