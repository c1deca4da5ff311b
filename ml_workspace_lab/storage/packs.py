"""Packs of a workspace: many contents in one file, found through the database."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.content import ContentStream, open_content
from ml_workspace_lab.storage.database import Database, Queries, Transaction, now
from ml_workspace_lab.storage.files import sync_folder
from ml_workspace_lab.storage.marks import groups
from ml_workspace_lab.storage.pack_file import Entry, PackWriter

OPEN_AT_ONCE = 64
"""Packs that one reader holds open."""


class Place(NamedTuple):
    """Where a content lies: in the pack of that name."""

    pack: str
    start: int
    size: int


class Packs:
    """The packs in the folder `root`, and what the database knows of them."""

    def __init__(self, root: Path, database: Database) -> None:
        self.root = root
        self._database = database

    def places(self, digests: Sequence[str], queries: Queries | None = None) -> dict[str, Place]:
        """Where those of the contents are that are in packs."""
        found: dict[str, Place] = {}
        for marks, named in groups(digests):
            rows = (queries or self._database).all(
                "SELECT c.digest, c.start, c.size, p.name FROM packed c JOIN pack p"  # noqa: S608
                f" ON p.id = c.pack WHERE c.digest IN ({marks})",
                **named,
            )
            for row in rows:
                found[row["digest"]] = Place(row["name"], row["start"], row["size"])
        return found

    def open(self, digest: str) -> ContentStream | None:
        """The content, to be read; None where it is in no pack."""
        for _ in range(3):  # between the look into the database and the opening it may be moved
            place = self.places([digest]).get(digest)
            if place is None:
                return None
            try:
                return open_content(self.path(place.pack), digest, place.start, place.size)
            except FileNotFoundError:
                continue
        return None

    def reader(self, digests: Sequence[str]) -> "PackReader":
        """What opens these contents, of which there are many, one after the other."""
        return PackReader(self, self.places(digests))

    def renew(self, digests: Sequence[str]) -> set[str]:
        """Those of the contents that are in packs, which count as put just now."""
        found = set(self.places(digests))
        if found:
            with self._database.write(durable=False) as transaction:
                found = renew(transaction, list(found))
        return found

    @contextmanager
    def writer(self) -> Iterator[PackWriter]:
        """A new pack, of which nothing is left where it isn't kept."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = PackWriter(self.root)
        try:
            yield made
        finally:
            made.close()
            made.path.unlink(missing_ok=True)

    def keep(self, transaction: Transaction, written: PackWriter) -> None:
        """Make a finished pack one of the workspace's, in the transaction that names its contents.
        Those that are here already stay where they are."""
        moment = now()
        self.place(written)
        pack = transaction.add("pack", name=written.name, size=written.size, created=moment)
        transaction.many(
            "INSERT INTO packed (digest, pack, start, size, renewed)"
            " VALUES (:digest, :pack, :start, :size, :renewed)"
            " ON CONFLICT (digest) DO UPDATE SET renewed = excluded.renewed",
            [_row(entry, pack, moment) for entry in written.entries],
        )

    def place(self, written: PackWriter) -> None:
        """Give a finished pack the name by which the database will know it."""
        try:
            written.path.replace(self.path(written.name))
        except FileNotFoundError:
            raise Unavailable("The contents were removed meanwhile: send them again.") from None
        sync_folder(self.root)

    def path(self, name: str) -> Path:
        return self.root / name

    def names(self) -> list[str]:
        """The packs that are there as files, whether or not the database knows them."""
        try:
            return [name for name in os.listdir(self.root) if not name.startswith(".")]  # noqa: PTH208 - names alone
        except FileNotFoundError:
            return []


class PackReader:
    """Opens contents of packs; each pack is opened once."""

    def __init__(self, packs: Packs, places: Mapping[str, Place]) -> None:
        self._packs = packs
        self._places = places
        self._descriptors: dict[str, int] = {}

    def in_order(self) -> list[str]:
        """The contents as they lie, so that the disk is read from end to end."""
        return sorted(self._places, key=self._places.__getitem__)

    def open(self, digest: str) -> ContentStream | None:
        """One of the contents, to be read and closed; None where it is in no pack."""
        place = self._places.get(digest)
        if place is None:
            return None
        try:
            descriptor = self._descriptor(place.pack)
        except FileNotFoundError:  # moved meanwhile, or lost
            return self._packs.open(digest)
        return ContentStream(os.dup(descriptor), place.start, place.size, digest)

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def _descriptor(self, pack: str) -> int:
        if pack not in self._descriptors:
            if len(self._descriptors) >= OPEN_AT_ONCE:
                self.close()
            path = self._packs.path(pack)
            self._descriptors[pack] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptors[pack]


def renew(transaction: Transaction, digests: Sequence[str]) -> set[str]:
    """Let those contents that are in packs count as put just now; which they are."""
    found: set[str] = set()
    for marks, named in groups(digests):
        rows = transaction.all(
            f"UPDATE packed SET renewed = :moment WHERE digest IN ({marks}) RETURNING digest",  # noqa: S608
            moment=now(),
            **named,
        )
        found |= {row["digest"] for row in rows}
    return found


def _row(entry: Entry, pack: int, moment: int) -> dict[str, Any]:
    return {
        "digest": entry.digest,
        "pack": pack,
        "start": entry.start,
        "size": entry.size,
        "renewed": moment,
    }
