"""Long lists kept in parts that they have in common with others of their kind.

The list of a snapshot's files is a content as any other: its SHA-256 is its address. It is cut
where its own text says, so that lists which differ in a few entries are cut at the same places, and
each part is a content of its own, kept once. Of the list itself the digests of its parts are kept.
"""

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.files import disk_errors, sync_folder, write_atomic

if TYPE_CHECKING:
    from ml_workspace_lab.storage.blobs import Blobs

LISTS = "lists"
SHORT = 32 * 1024
"""Bytes of a list that is kept whole."""
_ONE_IN = 32
"""A list is cut after one entry in so many."""
_BETWEEN = re.compile(rb"(?<=\}),(?=\{)")
_DIGEST_BYTES = 32


class Lists:
    """Which contents a list consists of, a file for each list."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        return self.root / digest

    def parts(self, digest: str) -> list[str] | None:
        """The parts of a list in order; None where none of that digest is kept in parts."""
        try:
            raw = self.path(digest).read_bytes()
        except FileNotFoundError:
            return None
        return [raw[at : at + _DIGEST_BYTES].hex() for at in range(0, len(raw), _DIGEST_BYTES)]

    def put(self, digest: str, parts: list[str]) -> None:
        with disk_errors():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self.path(digest), bytes.fromhex("".join(parts)), durable=True)
        sync_folder(self.root)


class Whole(BytesIO):
    """All of a list, which was checked when it was put together."""

    @property
    def size(self) -> int:
        return len(self.getbuffer())


@dataclass(frozen=True)
class HeldList:
    """A list that was just put, for a block that will refer to it."""

    digest: str
    parts: list[str]
    blobs: "Blobs"

    def require(self) -> None:
        """Inside the transaction that refers to it: see that it is there."""
        if not {*self.parts} <= self.blobs.kept(self.parts):
            raise Unavailable("The list was removed meanwhile: send it again.")
        if not self.blobs.lists.path(self.digest).exists():
            self.blobs.lists.put(self.digest, self.parts)


@contextmanager
def hold_list(blobs: "Blobs", raw: bytes, digest: str) -> Iterator[HeldList]:
    """Keep a list in parts, for a block that will refer to it. Raises StorageFull."""
    with blobs.packing() as packing:
        parts = [packing.add(part) for part in cut(raw)]
    blobs.lists.put(digest, parts)
    yield HeldList(digest, parts, blobs)


def cut(raw: bytes) -> list[bytes]:
    """The parts of a list of JSON objects: all of its bytes, in order."""
    parts, start, begun = [], 0, 0
    for between in _BETWEEN.finditer(raw):
        if zlib.crc32(raw[begun : between.start()]) % _ONE_IN == 0:
            parts.append(raw[start : between.end()])
            start = between.end()
        begun = between.end()
    return [*parts, raw[start:]]
