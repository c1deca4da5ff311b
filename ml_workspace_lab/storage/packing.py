"""Putting many contents at once: what is new goes into one pack, which one sync makes durable."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_workspace_lab.storage import packs
from ml_workspace_lab.storage.database import Database, full_disk
from ml_workspace_lab.storage.digests import sha256
from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.marks import AT_ONCE
from ml_workspace_lab.storage.pack_file import PackWriter
from ml_workspace_lab.storage.packs import Packs
from ml_workspace_lab.storage.reserve import WAL_LIMIT

if TYPE_CHECKING:
    from ml_workspace_lab.storage.blobs import Blobs

BATCH_BYTES = 8 * 1024 * 1024
BATCH_COUNT = AT_ONCE
FLOOR = 2 * WAL_LIMIT
"""Bytes that putting contents leaves free on the disk, so that the database can go on."""


class Packing:
    """Contents on their way into a pack. What is here already is not written again."""

    def __init__(self, blobs: "Blobs", writer: PackWriter) -> None:
        self._blobs = blobs
        self._writer = writer
        self._waiting: dict[str, bytes] = {}
        self._bytes = 0
        self._seen: set[str] = set()
        self.known: set[str] = set()

    def add(self, content: bytes) -> str:
        """Keep one content; its digest."""
        digest = sha256(content).hexdigest()
        if digest not in self._seen:
            self._seen.add(digest)
            self._waiting[digest] = content
            self._bytes += len(content)
            if self._bytes >= BATCH_BYTES or len(self._waiting) >= BATCH_COUNT:
                self.flush()
        return digest

    def add_parts(self, parts: Iterable[bytes]) -> tuple[str, int]:
        """Keep one content that comes in parts; its digest and its size."""
        self.flush()
        start, hashed = self._writer.size, sha256()
        for part in parts:
            self._room(len(part))
            self._writer.append(part)
            hashed.update(part)
        digest, size = hashed.hexdigest(), self._writer.size - start
        if digest in self._seen or self._blobs.kept([digest]):
            self._writer.take_back(start)
            self.known.add(digest)
        else:
            self._writer.name_last(digest, start)
        self._seen.add(digest)
        return digest, size

    def flush(self) -> None:
        here = self._blobs.kept(list(self._waiting))
        self.known |= here
        new = [one for one in self._waiting.items() if one[0] not in here]
        self._room(sum(len(content) for _, content in new))
        self._writer.add(new)
        self._waiting, self._bytes = {}, 0

    def _room(self, wanted: int) -> None:
        status = os.statvfs(self._writer.path.parent)
        free = status.f_bavail * status.f_frsize
        if wanted and free < wanted + FLOOR:
            raise full_disk(free, wanted + FLOOR)


@contextmanager
def packing(blobs: "Blobs", kept: Packs, database: Database) -> Iterator[Packing]:
    """Contents that are all kept at the end of the block, or, with an exception, none of them."""
    with disk_errors(), kept.writer() as writer:
        found = Packing(blobs, writer)
        yield found
        found.flush()
        if writer.entries:
            writer.finish()
        blobs.renew_files(found.known)
        with database.write(durable=False) as transaction:
            packs.renew(transaction, list(found.known))
            if writer.entries:
                kept.keep(transaction, writer)
