"""Logs read by lines: a range of them, or the last ones, without reading what lies before."""

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ml_workspace_lab.storage.log_index import BLOCK, LineIndex, Record, count_lines

LONGEST_LINE = 64 * 1024
"""Bytes of a line that are shown; all of it is read by its offset."""
MOST_BYTES = 4 * 1024**2


class Line(NamedTuple):
    """A line of a log; `size` is of all of it, `time` (ms) the latest at which it can have come
    to an earlier line's record, None where that was not noted."""

    number: int
    offset: int
    size: int
    time: int | None
    text: str


class Lines(NamedTuple):
    """Lines one after the other, how many the log has, and whether its last one may go on."""

    items: list[Line]
    total: int
    unended: bool


def read_lines(path: Path, first: int, limit: int) -> Lines:
    """At most `limit` lines, and a few MB of them, from line `first` on; below 0 it counts from the
    end. A line that is not ended yet is one, too."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Lines([], 0, unended=False)
    try:
        size = os.fstat(descriptor).st_size
        with LineIndex(path) as index:
            last = index.last()
            total = last.line + count_lines(descriptor, last.offset, size)
            unended = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            total += unended
            if first < 0:
                first = max(total + first, 0)
            start = offset_of(descriptor, index.at_line(first), first, size)
            records = index.between(first, first + limit)
        items: list[Line] = []
        taken = 0
        for offset, raw in lines_from(descriptor, start, size):
            if len(items) >= limit or (items and taken + len(raw) > MOST_BYTES):
                break
            number = first + len(items)
            items.append(line(number, offset, raw, records))
            taken += min(len(raw), LONGEST_LINE)
        return Lines(items, total, unended)
    finally:
        os.close(descriptor)


def line(number: int, offset: int, raw: bytes, records: list[Record]) -> Line:
    """A line as it is shown: of one that was redrawn, its last state."""
    place = bisect_right(records, number, key=lambda record: record.line) - 1
    shown = raw.rstrip(b"\r").rpartition(b"\r")[2][:LONGEST_LINE]
    time = records[place].time if place >= 0 else None
    return Line(number, offset, len(raw), time, shown.decode("utf-8", "replace"))


def offset_of(descriptor: int, record: Record, number: int, size: int) -> int:
    """Where a line begins, going on from a record before it; the size where there is none such."""
    at, left = record.offset, number - record.line
    while left and at < size:
        block = os.pread(descriptor, min(BLOCK, size - at), at)
        found = block.count(b"\n")
        if found < left:
            left -= found
            at += len(block)
            continue
        place = -1
        for _ in range(left):
            place = block.find(b"\n", place + 1)
        return at + place + 1
    return at


def lines_from(descriptor: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Each line up to byte `end` with its offset, without its end."""
    parts: list[bytes] = []
    at = start
    while start < end:
        block = os.pread(descriptor, min(BLOCK, end - start), start)
        if not block:
            break
        start += len(block)
        parts.append(block)
        if b"\n" in block:
            *whole, rest = b"".join(parts).split(b"\n")
            parts = [rest] if rest else []
            for raw in whole:
                yield at, raw
                at += len(raw) + 1
    if parts:
        yield at, b"".join(parts)
