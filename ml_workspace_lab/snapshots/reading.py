"""Reading files that may change at that very moment."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.snapshots.stat_cache import FileState, is_settled
from ml_workspace_lab.snapshots.walking import Found

WHOLE = 1 << 20
"""A file of at most so many bytes is read at once."""
CHUNK = 1 << 20
TRIES = 4


@dataclass
class Reading:
    """One reading of a file, as long as it was when it was opened."""

    found: Found
    before: os.stat_result | None = None
    after: os.stat_result | None = None
    began_ns: int = field(default_factory=time.time_ns)
    failure: str = ""

    @property
    def is_steady(self) -> bool:
        """Whether the file was the same after it was read as before."""
        if self.before is None or self.after is None:
            return False
        return _same(self.before, self.after)

    @property
    def has_grown(self) -> bool:
        """Whether something was appended, as it seems: what was read is how the file was then."""
        if self.before is None or self.after is None:
            return False
        return self.after.st_size > self.before.st_size

    def state(self, digest: str) -> FileState | None:
        """What to remember of the file; None where it may change and look the same."""
        after = self.after
        if after is None or not self.is_steady or not is_settled(after, self.began_ns):
            return None
        return FileState(after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino, digest)

    @contextmanager
    def opened(self, root: Path) -> Iterator[BinaryIO]:
        """The file, for as long as it is read; what it was before and after is kept. Raises OSError
        where it can't be read (any more), or is a link or something else now."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(f"{root}/{self.found.name}", flags)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            self.before = os.fstat(descriptor)
            yield file
            self.after = os.fstat(descriptor)

    def parts(self, root: Path) -> Iterator[bytes]:
        """What the file holds, up to the length that it had. Raises OSError, as `opened` does."""
        with self.opened(root) as file:
            left = os.fstat(file.fileno()).st_size
            while left and (part := file.read(min(left, CHUNK))):
                left -= len(part)
                yield part

    def parts_of_open(self, root: Path) -> Iterator[bytes]:
        """The same where it can be opened; what goes wrong later is told by `failure`."""
        try:
            yield from self.parts(root)
        except OSError as error:
            self.failure = error.strerror or "can't be read"

    def whole(self, root: Path) -> bytes:
        """All of it at once."""
        found = list(self.parts(root))
        return found[0] if len(found) == 1 else b"".join(found)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (
        one.st_size == other.st_size
        and one.st_mtime_ns == other.st_mtime_ns
        and one.st_ctime_ns == other.st_ctime_ns
    )
