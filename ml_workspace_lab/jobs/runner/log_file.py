"""The log of a run as its runner writes it: a full disk costs lines, never the run."""

import errno
import os
import threading
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)


class LogFile:
    """Appends to a log from any thread. What has no room is counted; once there is room again, a
    line of the log says how much is missing."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._lock = threading.Lock()
        self._dropped = Dropped()

    def write(self, content: bytes) -> None:
        with self._lock:
            if self._descriptor < 0:
                return
            if self._dropped.bytes:
                marker = self._dropped.marker()
                if self._append(marker) < len(marker):
                    self._dropped.add(content)
                    return
                self._dropped = Dropped()
            written = self._append(content)
            self._dropped.add(content[written:])

    def close(self) -> None:
        with self._lock:
            if self._dropped.bytes:
                self._append(self._dropped.marker())
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, content: bytes) -> int:
        """How many bytes there was room for: all, part of the content, or (a marker) none."""
        left = memoryview(content)
        try:
            while left:  # A disk that is about to be full takes a part, and then says so.
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            if error.errno not in FULL:
                raise
        return len(content) - len(left)


class Dropped:
    """How much of a log there was no room for."""

    def __init__(self, lines: int = 0, size: int = 0) -> None:
        self.lines = lines
        self.bytes = size

    def add(self, content: bytes) -> None:
        self.lines += content.count(b"\n")
        self.bytes += len(content)

    def marker(self) -> bytes:
        lines = f"{self.lines:,} lines ({self.bytes:,} bytes)"
        return f"\n[{lines} of output are missing here: there was no room for them]\n".encode()
