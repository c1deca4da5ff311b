"""The form of a pack: contents one after the other, and a table of them at the end.

    contents, without anything between them
    for each: SHA-256 (32 bytes), where it begins (8), its size (8)
    the number of contents (8), the SHA-256 of the table (32), MAGIC (8)

A pack is written once and never changed. The table is there for the case that the database, which
has the same numbers, is lost.
"""

import os
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.storage.digests import sha256

MAGIC = b"MLWPACK1"
_ENTRY = struct.Struct(">32sQQ")
_TRAILER = struct.Struct(">Q32s8s")
_AT_ONCE = 512
"""Buffers that one call writes; systems take 1024."""
SYNCED = 8 * 1024 * 1024
"""Bytes after which the disk is given something to do while others are read."""


class Entry(NamedTuple):
    digest: str
    start: int
    size: int


class PackWriter:
    """A new pack, which lies under a name of its own until `finish`."""

    def __init__(self, folder: Path) -> None:
        self.name = os.urandom(16).hex()
        self.path = folder / f".{self.name}"
        self.size = 0
        self.entries: list[Entry] = []
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o400)
        self._unsynced = 0
        self._syncing: threading.Thread | None = None
        self._failure: OSError | None = None

    def add(self, contents: Sequence[tuple[str, bytes]]) -> None:
        """Append contents, each with its digest."""
        for digest, content in contents:
            self.entries.append(Entry(digest, self.size, len(content)))
            self.size += len(content)
        for at in range(0, len(contents), _AT_ONCE):
            self._write([content for _, content in contents[at : at + _AT_ONCE]])

    def append(self, part: bytes) -> None:
        """Append a part of a content, which `name_last` or `take_back` must follow."""
        self._write([part])
        self.size += len(part)

    def name_last(self, digest: str, start: int) -> None:
        """Say what was appended since `start`."""
        self.entries.append(Entry(digest, start, self.size - start))

    def take_back(self, start: int) -> None:
        """Forget what was appended since `start`."""
        os.ftruncate(self._descriptor, start)
        os.lseek(self._descriptor, start, os.SEEK_SET)
        self.size = start

    def finish(self) -> None:
        """Write the table, and wait until the disk has everything."""
        table = b"".join(
            _ENTRY.pack(bytes.fromhex(entry.digest), entry.start, entry.size)
            for entry in self.entries
        )
        trailer = _TRAILER.pack(len(self.entries), sha256(table).digest(), MAGIC)
        self._write([table, trailer])
        self._wait()
        if self._failure is not None:
            raise self._failure
        os.fsync(self._descriptor)
        self.close()

    def close(self) -> None:
        self._wait()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, buffers: list[bytes]) -> None:
        left = sum(map(len, buffers))
        written = os.writev(self._descriptor, buffers)
        self._unsynced += left
        if written < left:  # the disk is nearly full: the rest says how full
            rest = memoryview(b"".join(buffers))[written:]
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        if self._unsynced >= SYNCED and not (self._syncing and self._syncing.is_alive()):
            self._unsynced = 0
            self._syncing = threading.Thread(target=self._sync, daemon=True)
            self._syncing.start()

    def _sync(self) -> None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._failure = error

    def _wait(self) -> None:
        """Let what is being synced be done. A failure is told once: later syncs may say that all is
        well when it isn't."""
        if self._syncing is not None:
            self._syncing.join()
            self._syncing = None


def table(path: Path) -> list[Entry]:
    """What a pack says that it holds. Raises Conflict where its end is damaged."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END) - _TRAILER.size
        if end < 0:
            raise _damaged(path)
        file.seek(end)
        count, digest, magic = _TRAILER.unpack(file.read())
        start = end - count * _ENTRY.size
        if magic != MAGIC or start < 0:
            raise _damaged(path)
        file.seek(start)
        raw = file.read(end - start)
    if sha256(raw).digest() != digest:
        raise _damaged(path)
    return [Entry(name.hex(), first, size) for name, first, size in _ENTRY.iter_unpack(raw)]


def _damaged(path: Path) -> Conflict:
    return Conflict(f"The table of the pack {path.name} is damaged.")
