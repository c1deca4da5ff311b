"""How the workspace's own record and its events are kept."""

import json

from ml_workspace_lab._version import __version__
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace.model import Event, WorkspaceInfo


def info(storage: Storage) -> WorkspaceInfo:
    row = storage.database.one("SELECT * FROM workspace")
    if row is None:
        raise NotFound(f"The workspace in {storage.root} has been deleted.")
    return WorkspaceInfo(
        workspace_id=row["uid"],
        name=row["name"],
        description=row["description"],
        location=str(storage.root),
        created=row["created"],
        edition="basic",
        tags=json.loads(row["tags_json"]),
        version=__version__,
    )


def last_event(storage: Storage) -> int:
    row = storage.database.one("SELECT coalesce(max(id), 0) AS id FROM event")
    return int(row["id"]) if row else 0


def events(storage: Storage, after: int, limit: int) -> list[Event]:
    rows = storage.database.all(
        "SELECT * FROM event WHERE id > :after ORDER BY id LIMIT :limit", after=after, limit=limit
    )
    return [
        Event(row["id"], row["time"], row["kind"], row["subject"], json.loads(row["data_json"]))
        for row in rows
    ]


def active_runs(storage: Storage) -> list[str]:
    # `coalesce` keeps the index of all runs outside the trash out of the plan.
    rows = storage.database.all(
        "SELECT uid FROM run WHERE ended IS NULL AND coalesce(deleted, 0) = 0"
    )
    return [row["uid"] for row in rows]
