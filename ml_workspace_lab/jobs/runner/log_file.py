"""The log of a run as its runner writes it: a full disk costs lines, never the run."""

import errno
import threading
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab.errors import StorageFull
from ml_workspace_lab.storage.log_writer import LogState, LogWriter

FULL = (errno.ENOSPC, errno.EDQUOT)


class LogFile:
    """Appends to a log from any thread. What has no room is counted; once there is room again, a
    line of the log says how much is missing."""

    def __init__(self, path: Path) -> None:
        self._writer: LogWriter | None = LogWriter(path)
        self._lock = threading.Lock()
        self._dropped = Dropped()

    @property
    def state(self) -> LogState:
        """How far it has come."""
        with self._lock:
            return LogState(0) if self._writer is None else self._writer.state

    def write(self, content: bytes) -> None:
        with self._lock:
            if self._writer is None:
                return
            if self._dropped.bytes:
                marker = self._dropped.marker()
                if self._append(self._writer, marker) < len(marker):
                    self._dropped.add(content)
                    return
                self._dropped = Dropped()
            written = self._append(self._writer, content)
            self._dropped.add(content[written:])

    def close(self) -> None:
        with self._lock:
            if self._writer is None:
                return
            if self._dropped.bytes:
                self._append(self._writer, self._dropped.marker())
            with suppress(StorageFull):  # the end of a line, or of a log that is too long
                self._writer.close()
            self._writer = None

    def _append(self, writer: LogWriter, content: bytes) -> int:
        """How many bytes there was room for: all, part of the content, or (a marker) none."""
        before = writer.size
        try:
            writer.write(content)
        except StorageFull:
            return min(writer.size - before, len(content))
        return len(content)


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
