"""A log of which the newest part is kept: whoever writes may do so for ever.

log.txt       the newest part, to whose end others append
log.1.txt     the part before it
log.begins    how many bytes there were before the newest part
"""

import os
import shutil
import time
from pathlib import Path

from ml_workspace_lab.api.types import LogChunk
from ml_workspace_lab.storage.files import disk_errors, write_atomic
from ml_workspace_lab.storage.logs import read_log

LIMIT = 4 << 20
"""The bytes from which on a part is put aside."""
PATIENCE_SECONDS = 1.0
PAUSE_SECONDS = 0.005


class BoundedLog:
    """Bytes are counted from the beginning of all that was ever written, so that a reader's place
    stays the same; it is one process at a time that puts parts aside."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path = path
        self.former = path.with_suffix(".1.txt")
        self._aside = path.with_suffix(".aside")  # while a part is put aside
        self._begins = path.with_suffix(".begins")
        self._limit = limit

    def bound(self) -> bool:
        """Put the newest part aside where it is over the limit, and drop the one before; whether it
        was. Writers go on, each at the new end: what one of them says in the instant between the
        copy and the cut is lost. Raises StorageFull; nothing is cut then."""
        if _size(self.path) <= self._limit:
            return False
        try:
            with disk_errors():
                shutil.copyfile(self.path, self._aside)
                self._aside.chmod(0o600)
            cut = self._aside.stat().st_size
            write_atomic(self._begins, str(self._beginning() + cut).encode())
            os.truncate(self.path, 0)
            self._aside.replace(self.former)
        finally:
            self._aside.unlink(missing_ok=True)
        return True

    def end(self) -> int:
        """How many bytes there have been."""
        return self._beginning() + _size(self.path)

    def since(self, offset: int) -> str:
        """All that is kept from `offset` on, as it is now."""
        text, end = "", self.end()
        while offset < end:
            part = self.read(offset, end - offset)
            if part.next <= offset:
                break
            text, offset = text + part.text, part.next
        return text

    def read(self, offset: int, limit: int) -> LogChunk:
        """At most `limit` bytes from `offset` on, or from the first that is kept: the part says
        where it begins. It has an end where a part was put aside."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            beginning, is_steady = self._beginning(), not self._aside.exists()
            found = self._read(beginning, offset, limit)
            is_steady = is_steady and not self._aside.exists()
            if (is_steady and self._beginning() == beginning) or time.monotonic() > until:
                return found
            time.sleep(PAUSE_SECONDS)

    def _read(self, beginning: int, offset: int, limit: int) -> LogChunk:
        size = beginning + _size(self.path)
        start, path, is_over = beginning, self.path, False
        if offset < beginning:
            start, path, is_over = beginning - _size(self.former), self.former, True
        part = read_log(path, max(0, offset - start), limit, ended=is_over)
        following = start + part.next
        return LogChunk(
            start + part.offset, following, max(size, following), part.text, complete=False
        )

    def _beginning(self) -> int:
        try:
            return int(self._begins.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
