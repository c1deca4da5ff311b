"""Which database a workspace's folder stands for: the file in it, or a PostgreSQL that it names."""

import json
from pathlib import Path

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.storage.sqlite import SqliteDatabase

FILE = "workspace.db"
POINTER = "database.json"
"""Holds the URL of a PostgreSQL database; readable by the workspace's owner alone."""


def create_database(root: Path, url: str | None) -> Database:
    """A new, empty database for the workspace in `root`. Raises Conflict where there is one."""
    if url is None:
        return SqliteDatabase.create(root / FILE)
    _check_url(url)
    from ml_workspace_lab.storage.postgresql import PostgresDatabase

    database = PostgresDatabase.create(url, root / POINTER)
    write_atomic(root / POINTER, json.dumps({"url": url}).encode(), durable=True)
    return database


def open_database(root: Path) -> Database:
    """The database of the workspace in `root`, not yet looked at."""
    try:
        url: str = json.loads((root / POINTER).read_text(encoding="utf-8"))["url"]
        _check_url(url)
    except FileNotFoundError:
        return SqliteDatabase(root / FILE)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput(
            f"{POINTER} in the workspace's folder is damaged.",
            field="workspace",
            hint='It should read {"url": "postgresql://..."}.',
        ) from None
    from ml_workspace_lab.storage.postgresql import PostgresDatabase

    return PostgresDatabase(url, root / POINTER)


def upgrade_database(root: Path) -> None:
    """Bring the database of the workspace in `root` to the present schema. Raises Unavailable while
    an earlier release works there."""
    database = open_database(root)
    database.upgrade()
    database.check()
    database.close()


def is_workspace(folder: Path) -> bool:
    """Whether `folder` is one that a workspace keeps its things in."""
    return any((folder / name).exists() for name in (FILE, POINTER))


def _check_url(url: str) -> None:
    if not url.startswith(("postgresql://", "postgres://")):
        raise InvalidInput(
            "database: must be the URL of a PostgreSQL database.",
            field="database",
            hint="postgresql://USER@HOST/NAME; leave it out for a file in the workspace's folder.",
        )
