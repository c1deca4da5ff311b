"""A file that somebody else writes, and that is read again when it has changed."""

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """The value of a file of JSON, which is replaced as a whole. It begins with `found`."""

    def __init__(self, path: Path, kind: type[T], found: T) -> None:
        self.found = found
        self._path = path
        self._kind = kind
        self._seen = (-1, -1)

    def look(self) -> bool:
        """Whether it says something else than at the last look. Raises OSError or ValueError where
        it is gone or damaged; `found` stays what it was then."""
        status = self._path.stat()
        # Two writes within one tick of the clock differ in the file's number.
        seen = status.st_mtime_ns, status.st_ino
        if seen == self._seen:
            return False
        self.found = msgspec.json.decode(self._path.read_bytes(), type=self._kind)
        self._seen = seen
        return True
