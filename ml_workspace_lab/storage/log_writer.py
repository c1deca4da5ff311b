"""Writing the log of a run: as it comes, a redrawn line as one, and never more than there is room.

The file only grows, so that whoever follows it by its bytes misses nothing.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.log_index import RECORD, LineIndex, count_lines, index_of
from ml_workspace_lab.storage.log_tail import TAIL_BYTES, LogTail

VARIABLE = "ML_WORKSPACE_LOG_BYTES"
MOST_BYTES = 256 * 1024**2
LINES_EACH = 1024
MILLIS_EACH = 100
"""A record of the index stands for at most so many lines, or so long."""
REDRAW_SECONDS = 0.5
REDRAW_SHARE = 0.2
"""A line that is redrawn is written anew this seldom: some hundred times in a day."""
LONGEST_REDRAWN = 64 * 1024


class LogState(NamedTuple):
    """How far a log has come: its bytes, what there is beside them of a line that is being redrawn,
    and how many bytes were left out; the number of its last record, where it is told in such."""

    size: int
    pending: bytes = b""
    left_out: int = 0
    record: int = 0


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
        self._at_start = self._fresh  # of a line, whether or not the file has what comes
        self._redrawn: bytes | None = None
        self._shown = b""
        self._line_began = self._redraw_at = 0.0
        self._tail = LogTail(path)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    @property
    def redrawn(self) -> bytes:
        """The line that is being redrawn, as it looks now; empty where none is."""
        return (self._redrawn or b"").rstrip(b"\r")

    @property
    def state(self) -> LogState:
        """What another writer has to know that goes on where this one is killed."""
        pending = b"" if self._redrawn is None else b"\r" + self._redrawn
        return LogState(self._size, pending, self._tail.left_out)

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
            self._append_last()
            self._tail.remove()
        finally:
            self._tail.close()
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
        is_long = len(self._redrawn) > LONGEST_REDRAWN
        if is_long or moment >= self._redraw_at:
            self._show(self.redrawn)
            age = moment - self._line_began
            self._redraw_at = moment + max(REDRAW_SECONDS, REDRAW_SHARE * age)
        if is_long and not self._redrawn.endswith(b"\r"):
            self._redrawn, self._shown = None, b""  # It goes on, and is not written again for that.

    def _show(self, state: bytes) -> None:
        if state and state != self._shown:
            self._append(state if self._at_start else b"\r" + state)
            self._shown = state

    def _append(self, data: bytes) -> None:
        if not data:
            return
        self._at_start = data.endswith(b"\n")
        if not self._tail.left_out:
            if self._size + len(data) <= self._most - 2 * TAIL_BYTES:
                self._put(data)
                return
            start = b"" if self._fresh else b"\n"
            self._put(start + _FULL.format(self._most).encode())
        self._tail.add(data)

    def _append_last(self) -> None:
        if self.redrawn:
            self._show(self.redrawn)
        if self._tail.lost:
            self._put(_LOST.format(self._tail.lost).encode())
        if self._tail.content:
            self._put(self._tail.content)

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
