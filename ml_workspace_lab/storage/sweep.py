"""What work that was cut short has left in a workspace's folder."""

from collections.abc import Iterator
from pathlib import Path

from ml_workspace_lab.storage import gc
from ml_workspace_lab.storage.blobs import PACKS
from ml_workspace_lab.storage.files import is_held
from ml_workspace_lab.storage.freeing import Freed, is_older, remove
from ml_workspace_lab.storage.lists import LISTS
from ml_workspace_lab.storage.repacking import remove_unknown
from ml_workspace_lab.storage.storage import Storage


def sweep(storage: Storage, before: int) -> Freed:
    """Remove contents that nothing refers to, temporary files, uploads that were given up,
    folders of runs that never came to be: all as old as the moment `before` (ms) or older."""
    freed = Freed()
    rows = storage.database.all(
        "SELECT digest FROM snapshot WHERE NOT EXISTS"
        " (SELECT 1 FROM run WHERE run.snapshot = snapshot.digest)"
    )
    gc.remove_snapshots(storage, {row["digest"]: before for row in rows})
    old = {
        folder.name + file.name: before
        for folder in _entries(storage.blobs.root)
        if folder.name not in (PACKS, LISTS) and not folder.name.startswith(".")
        for file in _entries(folder)
        if is_older(file, before)
    }
    lists = _entries(storage.blobs.root / LISTS)
    old |= {file.name: before for file in lists if file.name[0] != "." and is_older(file, before)}
    rows = storage.database.all("SELECT digest FROM packed WHERE renewed <= :moment", moment=before)
    old |= {row["digest"]: before for row in rows}
    gc.remove_blobs(storage, old, freed)
    remove_unknown(storage, before, freed)
    sweep_unfinished(storage, before, freed)
    known = {row["uid"] for row in storage.database.all("SELECT uid FROM run")}
    for path in _entries(storage.root / "runs"):
        if path.name not in known and is_older(path, before) and not is_held(path / "lock"):
            remove(path, freed)
    return freed


def sweep_unfinished(storage: Storage, before: int, freed: Freed) -> None:
    """Remove temporary files and uploads that nobody has added to since that moment."""
    for path in _temporary(storage):
        if is_older(path, before):
            remove(path, freed)
    unfinished = storage.uploads.sweep(before)
    freed.files += unfinished.files
    freed.bytes += unfinished.bytes


def _temporary(storage: Storage) -> Iterator[Path]:
    for folder in (storage.blobs.root, *(storage.blobs.root / name for name in (PACKS, LISTS))):
        yield from (path for path in _entries(folder) if path.name.startswith("."))
    yield from _entries(storage.temporary)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
