"""Writing the log of a run: as it comes, a redrawn line as one, and never more than there is room.

The file only grows, so that whoever follows it by its bytes misses nothing.
"""

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.log_index import RECORD, LineIndex, count_lines, index_of

VARIABLE = "ML_WORKSPACE_LOG_BYTES"
MOST_BYTES = 256 * 1024**2
TAIL_BYTES = 1024**2
"""What came last is kept, too, where a log is full."""
LINES_EACH = 1024
MILLIS_EACH = 100
"""A record of the index stands for at most so many lines, or so long."""
REDRAW_SECONDS = 0.5
REDRAW_SHARE = 0.2
"""A line that is redrawn is written anew this seldom: some hundred times in a day."""
LONGEST_REDRAWN = 64 * 1024


class LogWriter:
    """Appends to a log and its index. Raises StorageFull where the disk is."""

    def __init__(self, path: Path, most_bytes: int | None = None) -> None:
        self._most = most_bytes or int(os.environ.get(VARIABLE, MOST_BYTES))
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        with disk_errors():
            self._log = os.open(path, flags, 0o600)
            self._index = os.open(index_of(path), flags, 0o600)
        self._size = os.fstat(self._log).st_size
        with LineIndex(path) as index:
            last = index.last()
        self._lines = last.line + count_lines(self._log, last.offset, self._size)
        self._recorded = (-1, 0)  # the line and the time of the last record
        self._fresh = self._size == 0 or os.pread(self._log, 1, self._size - 1) == b"\n"
        self._redrawn: bytes | None = None
        self._shown = b""
        self._line_began = self._redraw_at = 0.0
        self._tail: deque[bytes] = deque()
        self._tail_bytes = self._left_out = 0

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    @property
    def redrawn(self) -> bytes:
        """The line that is being redrawn, as it looks now; empty where none is."""
        return (self._redrawn or b"").rstrip(b"\r")

    @property
    def pending(self) -> bytes:
        """What another writer has to be given first that goes on where this one is killed."""
        return b"" if self._redrawn is None else b"\r" + self._redrawn

    def write(self, data: bytes) -> None:
        """Append; of a line that is redrawn the file has some of its states, and the last."""
        if self._redrawn is None and b"\r" not in data:
            self._append(data)
            return
        *lines, rest = ((self._redrawn or b"") + data).split(b"\n")
        for line in lines:
            self._finish(line)
        if self._redrawn is not None or b"\r" in rest:
            self._redraw(rest)
        elif rest:
            self._append(rest)

    def close(self) -> None:
        """Write what is left: the last state of a line, the last lines of a log that is full."""
        try:
            if self.redrawn:
                self._show(self.redrawn)
            self._append_tail()
        finally:
            os.close(self._log)
            os.close(self._index)

    def _finish(self, line: bytes) -> None:
        """The end of a line has come."""
        body = line.rstrip(b"\r")
        if self._redrawn is None and b"\r" not in body:
            self._append(body + b"\n")
            return
        self._show(body.rpartition(b"\r")[2])
        self._append(b"\n")
        self._redrawn, self._shown = None, b""

    def _redraw(self, rest: bytes) -> None:
        """A line goes on that goes back to its start again and again."""
        moment = time.monotonic()
        body = rest.rstrip(b"\r")
        if self._redrawn is None:
            self._line_began = self._redraw_at = moment
            self._shown = b""
            if b"\r" not in body:  # It goes on, and nothing of it has been written over yet.
                self._append(body)
                self._redrawn = b"\r"
                return
        # A return at the end waits for what comes: a new state, or the end of the line.
        self._redrawn = body.rpartition(b"\r")[2] + rest[len(body) :][:1]
        if moment >= self._redraw_at or len(self._redrawn) > LONGEST_REDRAWN:
            self._show(self.redrawn)
            age = moment - self._line_began
            self._redraw_at = moment + max(REDRAW_SECONDS, REDRAW_SHARE * age)

    def _show(self, state: bytes) -> None:
        if state and state != self._shown:
            self._append(state if self._fresh else b"\r" + state)
            self._shown = state

    def _append(self, data: bytes) -> None:
        if not self._left_out and self._size + len(data) <= self._most - 2 * TAIL_BYTES:
            self._put(data)
            return
        if not self._left_out:
            start = b"" if self._fresh else b"\n"
            self._put(start + _FULL.format(self._most).encode())
        self._left_out += len(data)
        self._tail.append(data[-TAIL_BYTES:])
        self._tail_bytes += len(self._tail[-1])
        while self._tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
            self._tail_bytes -= len(self._tail.popleft())

    def _append_tail(self) -> None:
        lost = self._left_out - self._tail_bytes
        if lost:
            self._put(_LOST.format(lost).encode())
        tail = b"".join(self._tail)
        if tail:
            self._put(tail)

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        start, first = self._size, self._fresh
        with disk_errors():
            while left:  # A disk that is about to be full takes a part, and then says so.
                written = os.write(self._log, left)
                self._size += written
                left = left[written:]
        begins = 0 if first else data.find(b"\n") + 1
        if begins < len(data) and (first or begins):
            self._record(self._lines + (0 if first else 1), start + begins)
        self._lines += data.count(b"\n")
        self._fresh = data.endswith(b"\n")

    def _record(self, line: int, offset: int) -> None:
        known, then = self._recorded
        moment = time.time_ns() // 1_000_000
        if known < 0 or line - known >= LINES_EACH or moment - then >= MILLIS_EACH:
            with suppress(OSError):  # It only saves time.
                os.write(self._index, RECORD.pack(line, offset, moment))
            self._recorded = (line, moment)


_FULL = (
    "[The log has reached its limit of {:,} bytes. What follows is left out, but for the last"
    " lines, which are added at the end of the run.]\n"
)
_LOST = "[{:,} bytes were left out here.]\n"
