"""The end of what a full log has no room for: the last MiB, kept beside the log until its end.

It is in memory, and in a file from which another writer goes on where this one is killed. The file
begins with how many bytes were left out before those in it.
"""

import os
import struct
from collections import deque
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.storage.files import disk_errors, write_atomic

TAIL_BYTES = 1024**2
_BEFORE = struct.Struct("<Q")


def tail_of(log: Path) -> Path:
    return log.with_name(f"{log.name}.tail")


class LogTail:
    """What is left out of one log. A disk without room costs the file only."""

    def __init__(self, log: Path) -> None:
        self._path = tail_of(log)
        self._file = -1
        self._filled = 0
        self._parts: deque[bytes] = deque()
        self._size = 0
        self.left_out = 0
        """Bytes that the log had no room for, those that are kept here included."""
        before, content = _read(self._path)
        self._keep(before, content)

    @property
    def lost(self) -> int:
        """Bytes of those that are kept nowhere."""
        return self.left_out - self._size

    @property
    def content(self) -> bytes:
        return b"".join(self._parts)

    def add(self, data: bytes) -> None:
        self._keep(len(data) - len(data[-TAIL_BYTES:]), data[-TAIL_BYTES:])
        try:
            if self._file < 0 or self._filled + len(data) > 2 * TAIL_BYTES:
                self._begin_file()
            else:
                self._filled += len(data)
                with disk_errors():
                    if os.write(self._file, data) < len(data):
                        self.close()
        except (OSError, WorkspaceError):
            self.close()  # It has a gap: the next time it is written anew.

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """The log has it."""
        self.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _keep(self, lost: int, data: bytes) -> None:
        self.left_out += lost + len(data)
        if not data:
            return
        self._parts.append(data)
        self._size += len(data)
        while self._size - len(self._parts[0]) >= TAIL_BYTES:
            self._size -= len(self._parts.popleft())

    def _begin_file(self) -> None:
        self.close()
        write_atomic(self._path, _BEFORE.pack(self.lost) + self.content)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._filled = self._size


def cut_tail(log: Path, left_out: int) -> None:
    """Take away what was left out of a log after its first `left_out` bytes that were. They may be
    at most a MiB less than there are."""
    path = tail_of(log)
    before, _ = _read(path)
    if left_out <= before:
        path.unlink(missing_ok=True)
    elif path.stat().st_size > _BEFORE.size + left_out - before:
        os.truncate(path, _BEFORE.size + left_out - before)


def _read(path: Path) -> tuple[int, bytes]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return 0, b""
    return _BEFORE.unpack_from(content)[0], content[_BEFORE.size :]
