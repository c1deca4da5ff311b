"""Saving what can be read of a damaged workspace into a new one."""

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput, NotFound, Unavailable, shown
from ml_workspace_lab.storage.blobs import BLOBS, PACKS
from ml_workspace_lab.storage.database import SCHEMA_VERSION, now, other_schema
from ml_workspace_lab.storage.engine import FILE, POINTER
from ml_workspace_lab.storage.folder_copy import copy_blobs, copy_work
from ml_workspace_lab.storage.packs import Packs
from ml_workspace_lab.storage.reindexing import reindex
from ml_workspace_lab.storage.salvage import Salvaged, salvage
from ml_workspace_lab.storage.sqlite import SqliteDatabase
from ml_workspace_lab.workspace.backup import new_folder


class SavedTable(Struct, frozen=True):
    """Rows of one table: saved, left out since what they belong to is lost, and the numbers (for
    attributes and series: of runs) between which others may be missing."""

    table: str
    saved: int
    left_out: int
    gaps: list[str]


class Recovery(Struct, frozen=True):
    """What was saved into the workspace at `location`."""

    location: str
    is_whole: bool
    items: list[SavedTable]


def recover(root: Path, target: Path) -> Recovery:
    """Copy what can be read of the workspace in `root` into the new folder `target`; `root` stays
    as it is. Raises Unavailable where not even the list of its tables can be read."""
    if (root / POINTER).exists():
        raise InvalidInput("The workspace's records are in PostgreSQL.", field="workspace")
    if not (root / FILE).is_file():
        raise NotFound(f"There is no workspace in {shown(root)}.", field="workspace")
    with new_folder(root, target) as copy:
        copy_work(root, copy)
        copy_blobs(root, copy)
        database = SqliteDatabase.create(copy / FILE)
        found = _salvage(root / FILE, copy / FILE)
        reindex(Packs(copy / BLOBS / PACKS, database), database)
        database.close()
    items = [_told(table, saved) for table, saved in found.items()]
    is_whole = not any(item.gaps or item.left_out for item in items)
    return Recovery(str(target), is_whole, items)


def _salvage(damaged: Path, target: Path) -> dict[str, Salvaged]:
    address = f"{damaged.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as source:
            [[version]] = source.execute("PRAGMA user_version").fetchall()
            if version != SCHEMA_VERSION:
                raise other_schema(version)
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with closing(sqlite3.connect(target)) as connection:
                found = salvage(source, connection)
                with connection:
                    _name_workspace(connection)
    except sqlite3.DatabaseError as error:
        raise Unavailable(
            f"Nothing of the database can be read: {error}.", hint="Restore a backup."
        ) from error
    return found


def _name_workspace(connection: sqlite3.Connection) -> None:
    if not connection.execute("SELECT 1 FROM workspace").fetchall():
        connection.execute(
            "INSERT INTO workspace (uid, name, description, tags_json, created)"
            " VALUES (?, 'recovered', '', '{}', ?)",
            (uuid.uuid4().hex, now()),
        )


def _told(table: str, found: Salvaged) -> SavedTable:
    gaps = [f"{first} to {last}" for first, last in found.gaps]
    return SavedTable(table, found.rows, found.orphans, gaps)
