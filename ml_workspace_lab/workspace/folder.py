"""Making, opening and removing the folder of a workspace."""

import json
import os
import re
from pathlib import Path

import msgspec

from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, Unavailable, shown
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.engine import FILE, create_database, is_workspace
from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace.locate import HINT, READY, is_ready
from ml_workspace_lab.workspace.model import CreateWorkspace


def create(root: Path, body: CreateWorkspace, database: str | None = None) -> Storage:
    """A new workspace in the folder `root`, which must be empty or not be there; its records in a
    file there, or in the PostgreSQL database of the URL `database`.

    Raises Conflict where a workspace or something else is there already; a folder half made by a
    process that was killed is made anew.
    """
    root = root.absolute()
    try:
        _check_place(root)
        return _make(root, body, database)
    except OSError as error:
        raise InvalidInput(
            f"No workspace can be made in {shown(root)}: {error.strerror}.", field="location"
        ) from None


def _check_place(root: Path) -> None:
    if is_ready(root):
        raise Conflict(
            f"There is a workspace in {root} already.", hint="Open it, or name another folder."
        )
    if root.exists() and not root.is_dir():
        raise InvalidInput(f"{root} is not a folder.", field="location")
    if root.is_dir() and not is_workspace(root) and any(root.iterdir()):
        raise Conflict(
            f"The folder {root} is not empty.", field="location", hint="Name a new folder."
        )


def _make(root: Path, body: CreateWorkspace, url: str | None) -> Storage:
    with disk_errors():
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in root.glob(f"{FILE}*"):
            leftover.unlink()
        # A workspace inside a repository is not part of it.
        (root / ".gitignore").write_text("*\n", encoding="utf-8")
        database = create_database(root, url)
        with database.write() as transaction:
            uid = os.urandom(16).hex()
            transaction.insert(
                "workspace",
                uid=uid,
                name=body.name,
                description=body.description,
                tags_json=json.dumps(body.tags),
                created=now(),
            )
            transaction.event("workspace.created", uid)
        database.close()
        (root / READY).touch()
    return Storage(root)


def open_(root: Path) -> Storage:
    """The storage of the workspace in `root`. Raises NotFound where there is none."""
    if not is_ready(root):
        raise NotFound(f"There is no workspace in {shown(root)}.", field="workspace", hint=HINT)
    if not os.access(root, os.W_OK):
        raise Unavailable(f"{root} can't be written to.", hint="Check the folder's rights.")
    storage = Storage(root)
    storage.database.check()
    return storage


def delete(storage: Storage) -> None:
    """Remove the workspace and everything in it, for good."""
    import shutil  # and with it all kinds of compression, which no other use of a store needs

    storage.database.close()
    storage.database.drop()
    # Renamed first: it is gone at once, and no process can put a file into what is being removed.
    going = storage.root.with_name(f".{storage.root.name}.{os.urandom(4).hex()}")
    storage.root.rename(going)
    shutil.rmtree(going)


def suggest_name(folder: Path) -> str:
    """A name for a workspace started in `folder`, made of the folder's own."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-_")[:32]
    try:
        return msgspec.convert({"name": name}, CreateWorkspace).name
    except msgspec.ValidationError:
        return "workspace"
