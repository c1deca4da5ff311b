"""Packs of which little is still referred to: what lives moves into a new one, the old one goes.

A process may be killed at any step: a pack that the database does not name is only a file, which
the collection of garbage removes, and one that it names is there.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ml_workspace_lab.errors import Conflict, StorageFull
from ml_workspace_lab.storage.content import open_content
from ml_workspace_lab.storage.database import Row, Transaction, now
from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.freeing import Freed, is_older, remove
from ml_workspace_lab.storage.pack_file import PackWriter
from ml_workspace_lab.storage.packs import Packs
from ml_workspace_lab.storage.storage import Storage

CHUNK = 1 << 20
_SPARSE = (
    "SELECT p.id, p.name, count(c.digest) AS contents FROM pack p"
    " LEFT JOIN packed c ON c.pack = p.id GROUP BY p.id, p.name, p.size"
    " HAVING count(c.digest) = 0 OR 2 * sum(c.size) < p.size"
)
"""Packs of which less than half is referred to."""


def repack(storage: Storage, freed: Freed) -> None:
    """Free what is no longer referred to in packs, where that is half of one or more."""
    packs = storage.blobs.packs
    assert packs is not None
    for row in storage.database.all(_SPARSE):
        if row["contents"]:
            # On a full disk it waits for a later time: what else is freed is needed first.
            with suppress(StorageFull), disk_errors(), packs.writer() as writer:
                _copy(storage, packs, row, writer)
                if writer.entries:
                    writer.finish()
                    _move(storage, packs, row, writer, freed)
        else:
            with storage.database.write(durable=False, frees=True) as transaction:
                is_gone = _drop(transaction, row["id"])
            if is_gone:
                remove(packs.path(row["name"]), freed)


def remove_unknown(storage: Storage, before: int, freed: Freed) -> None:
    """Remove packs that were never named in the database, or no longer, and are as old as the
    moment `before` (ms) or older."""
    packs = storage.blobs.packs
    assert packs is not None
    # Under the write lock, in which packs get their names.
    with storage.database.write(durable=False, frees=True) as transaction:
        known = {row["name"] for row in transaction.all("SELECT name FROM pack")}
        for name in packs.names():
            if name not in known and is_older(packs.path(name), before):
                remove(packs.path(name), freed)


def _copy(storage: Storage, packs: Packs, row: Row, writer: PackWriter) -> None:
    """Copy what lives of a pack. What is damaged is left where it is."""
    for content in _contents(storage, row["id"]):
        start = writer.size
        try:
            stream = open_content(
                packs.path(row["name"]), content["digest"], content["start"], content["size"]
            )
            with stream:
                while part := stream.read(CHUNK):
                    writer.append(part)
        except (Conflict, FileNotFoundError):
            writer.take_back(start)
        else:
            writer.name_last(content["digest"], start)


def _contents(storage: Storage, pack: int) -> Iterable[Row]:
    return storage.database.all(
        "SELECT digest, start, size FROM packed WHERE pack = :pack ORDER BY start", pack=pack
    )


def _move(storage: Storage, packs: Packs, row: Row, writer: PackWriter, freed: Freed) -> None:
    """Let the database name the new pack in place of the old one."""
    old, new = packs.path(row["name"]), packs.path(writer.name)
    with storage.database.write(frees=True) as transaction:
        packs.place(writer)
        pack = transaction.add("pack", name=writer.name, size=writer.size, created=now())
        transaction.many(
            "UPDATE packed SET pack = :pack, start = :start WHERE digest = :digest AND pack = :old",
            [_moved(entry.digest, entry.start, pack, row["id"]) for entry in writer.entries],
        )
        emptied = _drop(transaction, row["id"])
        unused = _drop(transaction, pack)
    if emptied:
        remove(old, freed)
    if unused:  # another process was faster
        remove(new, Freed())
    else:
        freed.bytes -= new.stat().st_blocks * 512


def _moved(digest: str, start: int, pack: int, old: int) -> dict[str, Any]:
    return {"digest": digest, "start": start, "pack": pack, "old": old}


def _drop(transaction: Transaction, pack: int) -> bool:
    """Forget a pack that holds nothing; whether it does."""
    rows = transaction.execute(
        "DELETE FROM pack WHERE id = :pack"
        " AND NOT EXISTS (SELECT 1 FROM packed WHERE pack = :pack)",
        pack=pack,
    )
    return rows.rowcount > 0
