"""Files of a snapshot on their way out, framed one after the other."""

import io
from collections.abc import Iterator, Sequence

from ml_workspace_lab.snapshots.frames import CHUNK, LENGTH
from ml_workspace_lab.snapshots.model import SnapshotFile
from ml_workspace_lab.storage.blobs import Blobs


class FramedFiles(io.RawIOBase):
    """A stream of contents, each opened when its turn comes. A read raises Conflict at a content
    that is damaged."""

    def __init__(self, blobs: Blobs, files: Sequence[SnapshotFile]) -> None:
        self._parts = self._all(blobs, files)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes; b"" at the end."""
        if size is None or size < 0:
            return b"".join([self._rest, *self._parts])
        found = [self._rest]
        length = len(self._rest)
        while length < size and (part := next(self._parts, b"")):
            found.append(part)
            length += len(part)
        whole = b"".join(found)
        self._rest = whole[size:]
        return whole[:size]

    def _all(self, blobs: Blobs, files: Sequence[SnapshotFile]) -> Iterator[bytes]:
        with blobs.opener([file.digest for file in files]) as open_:
            for file in files:
                yield LENGTH.pack(file.size)
                with open_(file.digest) as content:
                    while part := content.read(CHUNK):
                        yield part
