"""What a runner has to tell, on its disk until the workspace has it.

Records are appended to segments, files that the number of their first record names. There is an end
to the room that they take: then lines of the log are dropped and counted. The end of the run has
room of its own, a block that was made before.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from ml_workspace_lab.jobs import records
from ml_workspace_lab.jobs.records import END, KINDS, LOG, Ended, Record
from ml_workspace_lab.jobs.runner.log_file import FULL, Dropped
from ml_workspace_lab.storage.files import disk_errors, write_atomic

VARIABLE = "ML_WORKSPACE_SPOOL_BYTES"
LIMIT = 256 * 1024 * 1024
"""Bytes that records take at most (or as the variable says)."""
SEGMENT = 1024 * 1024
KEPT = 8 * 1024 * 1024
"""So many of them stay when the workspace has them: it may be put back to an earlier state."""
PIECE = 256 * 1024
STATUS = "status"
REST = ".rest"
BLOCK = 4096


class Status(Struct):
    """What has room in any case."""

    end: Ended | None = None
    number: int = 0
    missing_lines: int = 0
    missing_bytes: int = 0


class _Segment(NamedTuple):
    first: int
    path: Path


class Spool:
    """The records of one attempt, from the number `first` on; safe to use from any thread of the
    process that made it."""

    def __init__(self, folder: Path, limit: int | None = None, first: int = 1) -> None:
        self.folder = folder
        self._limit = limit or int(os.environ.get(VARIABLE, LIMIT))
        self._lock = threading.Lock()
        self._number = first - 1
        self._file = -1
        self._filled = 0
        self._total = 0
        self._missing = Dropped()
        self._dropped = Dropped()
        self.news = threading.Event()
        with disk_errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._status = os.open(folder / STATUS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.posix_fallocate(self._status, 0, BLOCK)

    @property
    def number(self) -> int:
        """That of the last record."""
        with self._lock:
            return self._number

    def tell(self, what: Struct) -> bool:
        """Add a word about the run; whether there was room."""
        with self._lock:
            return self._add(KINDS[type(what)], msgspec.json.encode(what), durable=True)

    def write_log(self, content: bytes) -> None:
        """Add to the log. What has no room is counted, and a line says so once there is room."""
        with self._lock:
            for begin in range(0, len(content), PIECE):
                self._write(content[begin : begin + PIECE])

    def end(self, end: Ended) -> None:
        """The last word. It is kept in any case."""
        with self._lock:
            if self._missing.bytes and self._add(LOG, self._missing.marker()):
                self._missing = Dropped()
            end = msgspec.structs.replace(
                end, dropped_lines=self._dropped.lines, dropped_bytes=self._dropped.bytes
            )
            self._note(end)
            self._add(END, msgspec.json.encode(end), durable=True)

    def release(self, number: int) -> None:
        """The workspace has the records up to this one: make room where it is wanted."""
        with self._lock:
            segments = _segments(self.folder)
            for segment, following in pairwise(segments):
                size = segment.path.stat().st_size
                crowded = self._total > min(KEPT, self._limit // 2)
                if following.first - 1 <= number and crowded:
                    segment.path.unlink()
                    self._total -= size

    def sync(self) -> None:
        """Make what was added so far outlive a power cut."""
        with self._lock:
            if self._file >= 0:
                with suppress(OSError):
                    os.fdatasync(self._file)

    def close(self) -> None:
        with self._lock:
            for descriptor in (self._file, self._status):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._status = -1

    def _write(self, content: bytes) -> None:
        if self._missing.bytes and self._add(LOG, self._missing.marker()):
            self._missing = Dropped()
        if self._missing.bytes or not self._add(LOG, content):
            self._missing.add(content)
            self._dropped.add(content)
            self._note(None)

    def _add(self, kind: bytes, body: bytes, *, durable: bool = False) -> bool:
        content = records.encode(Record(self._number + 1, kind, body))
        if self._status < 0 or (kind == LOG and self._total + len(content) > self._limit):
            return False
        try:
            if self._file < 0 or self._filled + len(content) > SEGMENT:
                self._roll()
            self._append(content)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return False
        self._number += 1
        self._filled += len(content)
        self._total += len(content)
        if durable:
            with suppress(OSError):
                os.fdatasync(self._file)
        self.news.set()
        return True

    def _append(self, content: bytes) -> None:
        """All of it or nothing."""
        left = memoryview(content)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self._filled)
            os.lseek(self._file, self._filled, os.SEEK_SET)
            raise

    def _roll(self) -> None:
        path = self.folder / f"{self._number + 1:020}.events"
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._filled = made, 0

    def _note(self, end: Ended | None) -> None:
        status = Status(end, self._number, self._missing.lines, self._missing.bytes)
        content = msgspec.json.encode(status)
        if len(content) >= BLOCK and end is not None:
            short = msgspec.structs.replace(end, reason=end.reason[:500])
            content = msgspec.json.encode(msgspec.structs.replace(status, end=short))
        os.pwrite(self._status, content[: BLOCK - 1].ljust(BLOCK, b"\0"), 0)
        if end is not None:
            with suppress(OSError):
                os.fdatasync(self._status)


def add_rest(folder: Path, after: int, bodies: Sequence[bytes]) -> None:
    """Add to the log of a spool whose process is dead, after the record of that number: all of it
    or nothing, once."""
    content = b"".join(
        records.encode(Record(number, LOG, body)) for number, body in enumerate(bodies, after + 1)
    )
    write_atomic(folder / f"{after + 1:020}{REST}.events", content)


def has_rest(folder: Path) -> bool:
    """Whether that was done."""
    return any(folder.glob(f"*{REST}.events"))


def read(folder: Path, after: int, limit: int, *, with_end: bool = True) -> bytes:
    """Whole records after the number `after`, about `limit` bytes of them at most; without the end
    of the run where that is not wanted yet."""
    parts: list[bytes] = []
    for record in _records(folder, after):
        if record.kind == END and not with_end:
            break
        parts.append(records.encode(record))
        limit -= record.size
        if limit <= 0:
            break
    return b"".join(parts)


def last_word(folder: Path) -> Status:
    """What the block says."""
    try:
        content = (folder / STATUS).read_bytes().rstrip(b"\0")
        return msgspec.json.decode(content, type=Status) if content else Status()
    except (FileNotFoundError, msgspec.DecodeError):
        return Status()


def unsaid(folder: Path, number: int) -> bytes:
    """What there was no room for among the records, as those after `number`: how much of the log is
    missing, and the end. To be asked for when the others were told."""
    status = last_word(folder)
    if status.end is None or any(r.kind == END for r in _records(folder, status.number)):
        return b""
    missing = Dropped(status.missing_lines, status.missing_bytes)
    marker = Record(number + 1, LOG, missing.marker() if missing.bytes else b"")
    end = Record(number + 2, END, msgspec.json.encode(status.end))
    return records.encode(marker) + records.encode(end)


def last_number(folder: Path) -> int:
    """That of the last whole record, 0 where there is none."""
    segments = _segments(folder)
    if not segments:
        return 0
    before = segments[-1].first - 1
    return max((record.number for record in _records(folder, before)), default=before)


def has_log(folder: Path, after: int) -> bool:
    """Whether something was added to the log after the record of that number."""
    return any(record.kind == LOG for record in _records(folder, after))


def _records(folder: Path, after: int) -> Iterator[Record]:
    segments = _segments(folder)
    for index, segment in enumerate(segments):
        if index + 1 < len(segments) and segments[index + 1].first <= after + 1:
            continue
        try:
            content = segment.path.read_bytes()
        except FileNotFoundError:
            continue  # Released meanwhile.
        for record in records.decode(content):
            if record.number > after:
                yield record


def _segments(folder: Path) -> list[_Segment]:
    found = [_Segment(int(path.name.partition(".")[0]), path) for path in folder.glob("*.events")]
    return sorted(found)
