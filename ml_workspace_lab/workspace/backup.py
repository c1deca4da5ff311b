"""A copy of a whole workspace, made while work goes on, that opens as a workspace."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.storage.engine import FILE
from ml_workspace_lab.storage.files import sync_folder
from ml_workspace_lab.storage.folder_copy import copy_blobs, copy_work
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace.locate import READY


class Backup(Struct, frozen=True):
    """A folder that a workspace was copied to, and the size of its files."""

    location: str
    files: int
    bytes: int


def back_up(storage: Storage, target: Path) -> Backup:
    """Copy the workspace into the folder `target`, which must be empty or not be there.

    Everything that was written before this began is in the copy. It opens as a workspace of its
    own, with its records in a file also where they are in PostgreSQL. Raises StorageFull; nothing
    is left then.
    """
    with new_folder(storage.root, target) as copy:
        # A journal's records are in the database before they leave the journal, and contents are
        # there before the database names them: so journals, contents, database, newer contents.
        copy_work(storage.root, copy)
        copy_blobs(storage.root, copy)
        storage.database.copy_to(copy / FILE)
        copy_blobs(storage.root, copy)
    sizes = [file.lstat().st_size for file in target.rglob("*") if not file.is_dir()]
    return Backup(str(target), len(sizes), sum(sizes))


@contextmanager
def new_folder(source: Path, target: Path) -> Iterator[Path]:
    """A folder to be filled with a workspace, which appears as `target` at the end of the block and
    not before. Raises Conflict where there is something, InvalidInput for one inside `source`."""
    if target.resolve().is_relative_to(source.resolve()):
        raise InvalidInput("The folder lies inside the workspace.", field="folder")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise Conflict(f"There is something at {target}.", field="folder", hint="Name a new one.")
    unfinished = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    try:
        yield unfinished
        (unfinished / ".gitignore").write_text("*\n", encoding="utf-8")
        (unfinished / READY).touch()
        os.sync()
        if target.exists():
            target.rmdir()
        unfinished.rename(target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
