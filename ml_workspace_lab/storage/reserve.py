"""Room kept for the moment when the disk is full: what frees space must be written somewhere."""

import os
from contextlib import suppress
from pathlib import Path

WAL_LIMIT = 6 * 1024 * 1024
"""Bytes that SQLite's log is cut back to when its content has reached the database."""

SIZE = 2 * WAL_LIMIT
AMPLE = 2 * SIZE
"""The reserve is laid by, and laid by again, where so many bytes are free."""


class Reserve:
    """A file that takes up space until it is needed; an empty one says that it was."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def free(self) -> int:
        """Bytes that can be written to the disk."""
        status = os.statvfs(self._path.parent)
        return status.f_bavail * status.f_frsize

    def is_disk_full(self) -> bool:
        return self.free() < 64 * 1024

    def is_spent(self) -> bool:
        try:
            return self._path.stat().st_size == 0
        except FileNotFoundError:
            return False  # It was never laid by: on a small disk there is none.

    def is_laid_by(self) -> bool:
        return self._path.exists() and not self.is_spent()

    def lay_by(self) -> bool:
        """Whether there is a reserve now: one is made where the disk has ample room."""
        if self.is_laid_by():
            return True
        if self.free() < AMPLE:
            return False
        was_spent = self.is_spent()
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, SIZE)
            finally:
                os.close(descriptor)
        except OSError:
            self.spend()
            if not was_spent:
                self._path.unlink(missing_ok=True)  # this disk, or its quota, gives no such room
            return False
        return True

    def spend(self) -> None:
        """Give its room to the disk, for what frees more."""
        with suppress(OSError):
            os.truncate(self._path, 0)

    def spend_if_short(self) -> None:
        """The same, where the disk has no room for SQLite's log."""
        if self.free() < WAL_LIMIT:
            self.spend()
