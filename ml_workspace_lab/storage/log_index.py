"""Where the lines of a log begin, and when they came: a sparse table beside it.

A record says that line `line` (from 0) begins at byte `offset` and was written at `time`. There is
one for each stretch of lines that came together, so that a log of a million lines is opened at its
end, or at any line, by looking at a few of them. The table only saves time: a log without it, or
with a part of it, is read from the last record on.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

RECORD = struct.Struct("<QQQ")
BLOCK = 1 << 20


class Record(NamedTuple):
    line: int
    offset: int
    time: int | None


Test = Callable[[Record], bool]
BEGIN = Record(0, 0, None)


def index_of(log: Path) -> Path:
    return log.with_name(f"{log.name}.index")


class LineIndex:
    """The records of a log, read from its index as it is now."""

    def __init__(self, log: Path) -> None:
        try:
            self._descriptor = os.open(index_of(log), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._descriptor = -1

    def __enter__(self) -> "LineIndex":
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def __len__(self) -> int:
        if self._descriptor < 0:
            return 0
        return os.fstat(self._descriptor).st_size // RECORD.size

    def at_line(self, line: int) -> Record:
        """The last record at or before a line."""
        return self._last(lambda record: record.line <= line)

    def last(self) -> Record:
        return self._record(len(self) - 1) if len(self) else BEGIN

    def records_before(self, offset: int) -> int:
        """How many records are of lines that begin before a byte."""
        return self._place(lambda record: record.offset < offset) + 1

    def between(self, first: int, end: int) -> list[Record]:
        """The records of lines `first` to `end`, and the one before them, in order."""
        low, found = self._place(lambda record: record.line <= first), []
        for place in range(max(low, 0), len(self)):
            record = self._record(place)
            if record.line >= end:
                break
            found.append(record)
        return found

    def _last(self, holds: Test) -> Record:
        place = self._place(holds)
        return self._record(place) if place >= 0 else BEGIN

    def _place(self, holds: Test) -> int:
        """The place of the last record for which it holds, -1 where there is none."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if holds(self._record(middle)):
                low = middle + 1
            else:
                high = middle
        return low - 1

    def _record(self, place: int) -> Record:
        raw = os.pread(self._descriptor, RECORD.size, place * RECORD.size)
        return Record(*RECORD.unpack(raw))


def count_lines(descriptor: int, start: int, end: int) -> int:
    """How many line ends there are from byte `start` up to `end`."""
    count = 0
    while start < end:
        block = os.pread(descriptor, min(BLOCK, end - start), start)
        if not block:
            break
        count += block.count(b"\n")
        start += len(block)
    return count


def cut(log: Path, size: int) -> None:
    """Take away what a log has after its first `size` bytes, and what its table says of that."""
    with LineIndex(log) as index:
        kept = index.records_before(size)
    if index_of(log).exists():
        os.truncate(index_of(log), kept * RECORD.size)
    os.truncate(log, size)
