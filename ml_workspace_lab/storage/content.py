"""A stored content on its way out: one whose hash differs is never all handed out."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.storage.digests import sha256

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 20


class ContentStream(io.RawIOBase):
    """`size` bytes of an open file from `start` on.

    The read that would complete the content raises Conflict where its SHA-256 differs from
    `digest`; one that is read out of order is checked whole before.
    """

    def __init__(self, descriptor: int, start: int, size: int, digest: str) -> None:
        self._descriptor = descriptor
        self._start = start
        self._digest = digest
        self._at = 0
        self._hash = sha256()
        self._hashed = 0
        self._is_sound = False
        self.size = size
        if size == 0:
            self._compare()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self.size - self._at)
        part = self._part(self._at, left if size is None or size < 0 else min(size, left))
        if not self._is_sound and part:
            self._check(part)
        self._at += len(part)
        return part

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        part = self.read(len(view))
        view[: len(part)] = part
        return len(part)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def _part(self, at: int, size: int) -> bytes:
        part = os.pread(self._descriptor, size, self._start + at)
        while len(part) < size:  # one call gives no more than 2 GiB
            more = os.pread(self._descriptor, size - len(part), self._start + at + len(part))
            if not more:
                raise damaged(self._digest)
            part += more
        return part

    def _check(self, part: bytes) -> None:
        if self._at == 0:
            self._hash, self._hashed = sha256(), 0
        if self._at != self._hashed:
            self._hash, self._hashed = sha256(), 0
            while self._hashed < self.size:
                piece = self._part(self._hashed, min(CHUNK, self.size - self._hashed))
                self._hash.update(piece)
                self._hashed += len(piece)
        else:
            self._hash.update(part)
            self._hashed += len(part)
        if self._hashed == self.size:
            self._compare()

    def _compare(self) -> None:
        if self._hash.hexdigest() != self._digest:
            raise damaged(self._digest)
        self._is_sound = True


def open_content(path: Path, digest: str, start: int = 0, size: int | None = None) -> ContentStream:
    """The content of that digest in a file, all of it unless `size` says otherwise."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        wanted = os.fstat(descriptor).st_size if size is None else size
        return ContentStream(descriptor, start, wanted, digest)
    except BaseException:
        os.close(descriptor)
        raise


def damaged(digest: str) -> Conflict:
    return Conflict(
        f"The stored content {digest} has changed on disk: its hash differs.",
        hint="It is not served as it is. `ml-workspace check` lists what is damaged, and puts it"
        " back from a copy.",
    )
