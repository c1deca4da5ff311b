"""The journal that metrics are logged to: appended to in the training loop, shipped from there.

A journal is a row of segments, files of fixed size that are mapped into memory, and a file of names
beside them. A record is 32 bytes: step (i64), time (i64), value (f64), number of the name and mark
(u32 each), little-endian. The mark is stored last: a reader may look at any moment, and a process
that is killed leaves whole records or none. Segments are there in full before they are written to:
a full disk is met between two records, never inside one.
"""

import fcntl
import json
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from ml_workspace_lab.errors import InvalidInput, StorageFull, Unavailable
from ml_workspace_lab.storage.files import disk_errors

RECORD = struct.Struct("<qqdII")
MARK = 0x324A574D  # "MWJ2"
FIRST_SEGMENT = 2048
SEGMENT = 32768
"""Records of a journal's first segment, and of each later one."""

HELD_RECORDS = 1_000_000
"""Records that are held in memory at most while the disk is full."""

LAST_STEP = 2**63 - 1
_POPULATE_WRITE = 23
_pack_into = RECORD.pack_into
_time_ns = time.time_ns


def _nothing() -> None:
    """What is called where nobody wants to know."""


def following(last: int) -> int:
    """The step after one. Raises InvalidInput where 64 bits hold none."""
    if last >= LAST_STEP:
        raise InvalidInput(
            f"step: the last one is {LAST_STEP}, and 64 bits hold none after it.",
            field="step",
            hint="Give the step.",
        )
    return int(last) + 1


def segment_records(index: int) -> int:
    return FIRST_SEGMENT if index == 0 else SEGMENT


class StepUnknown(Exception):
    """A key has no point in this journal, and where its series is must be said: `go_on`."""


class JournalWriter:
    """Appends to a journal of its own below `folder`; safe to use from any thread.

    `unique` says that its points come from clients that may send one twice.
    """

    def __init__(self, folder: Path, *, unique: bool = False) -> None:
        self.folder = folder
        self._kind = "u" if unique else "w"
        self._lock = threading.Lock()
        self._segment: Any = b""
        self._segments: list[tuple[Path, int]] = []  # and the number after their last record
        self._begin = self._position = self._end = 0
        self._names = -1
        self._last_time = 0
        self._closed = False
        self.on_full: Callable[[], None] = _nothing
        self.on_begin: Callable[[], None] = _nothing
        """Called in the child of a fork that goes on logging: its journal is another one."""
        self.check_key: Callable[[str], None] | None = None
        self.begins_series = True
        """Whether keys begin with this journal: a key's first step is 0 where none is given."""
        self._open()
        _writers.add(self)

    def append(
        self, key: str, value: float, step: int | None = None, time: int | None = None
    ) -> None:
        """Log one point: without a step at the one after the key's last, without a time (ms) now.

        Raises struct.error where a value is no number or beyond 64 bits, InvalidInput where there
        is no step after the last one, StepUnknown where that must be said first, StorageFull where
        no more can be held, Unavailable where the journal is closed; nothing is logged then.
        """
        with self._lock:
            position = self._position
            if position == self._end:
                self._roll()
                position = 0
            number = self._numbers.get(key)
            if number is None:
                number = self._add_key(key)
            if step is None:
                last = self._last_step[number]
                if last is None:
                    raise StepUnknown
                step = following(last)
            if time is None:
                # A clock that is put back must not change the order of what is logged.
                time = _time_ns() // 1_000_000
                if time < self._last_time:
                    time = self._last_time
                else:
                    self._last_time = time
            _pack_into(self._segment, position, step, time, value, number, MARK)
            self._last_step[number] = step
            self._position = position + 32

    def last_step(self, key: str) -> int | None:
        """The step of the last point with that key as far as this journal knows."""
        number = self._numbers.get(key)
        return None if number is None else self._last_step[number]

    def go_on(self, key: str, last: int) -> None:
        """Say that a key's series has come to that step elsewhere: later ones count on from it."""
        with self._lock:
            number = self._numbers.get(key)
            if number is not None:
                known = self._last_step[number]
                self._last_step[number] = last if known is None else max(known, last)

    @property
    def count(self) -> int:
        """Records logged so far."""
        return self._begin + self._position // RECORD.size

    @property
    def is_open(self) -> bool:
        return not self._closed

    @property
    def has_full_segment(self) -> bool:
        """Whether there is a segment that can be released once it is kept elsewhere."""
        return len(self._segments) > 1

    def release(self, records: int) -> None:
        """Remove segments whose records all come before the given one: they are kept elsewhere."""
        with self._lock:
            while self._segments and self._segments[0][1] <= records:
                path, _ = self._segments.pop(0)
                path.unlink(missing_ok=True)

    def is_removed(self) -> bool:
        """Whether somebody has removed the journal's folder."""
        return self._names >= 0 and not os.fstat(self._names).st_nlink

    def close(self) -> None:
        """No more is logged; what is there can still be read and released."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._begin = self.count
                self._end = self._position = 0
                if self._segments:
                    self._segments[-1] = self._segments[-1][0], self._begin
                if self._names >= 0:
                    os.close(self._names)
                    self._names = -1

    def remove(self) -> None:
        """Take the journal away, once all of it is kept elsewhere."""
        self.close()
        self.release(self._begin)
        self._names_path.unlink(missing_ok=True)

    def forget_parents(self) -> None:
        """In the child of a fork: two processes must not append to one journal. The child's own is
        begun by its first point."""
        self._lock = threading.Lock()
        if not self._closed:
            os.close(self._names)
            self._names = -1
            self._segments = []
            self._begin = self._position = self._end = 0

    def _open(self) -> None:
        self.name = f"{self._kind}{os.getpid()}-{os.urandom(4).hex()}"
        self._names_path = self.folder / f"{self.name}.keys"
        self._numbers: dict[str, int] = {}
        self._last_step: list[int | None] = []
        self._segments = []
        self._index = -1
        self._begin = self._position = self._end = 0
        self._closed = False
        with disk_errors():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._names = os.open(self._names_path, flags, 0o600)
        # Held for as long as the process lives: who reads knows whether more may come.
        fcntl.flock(self._names, fcntl.LOCK_EX)

    def _roll(self) -> None:
        """Begin the next segment."""
        if self._closed:
            raise Unavailable("The journal is closed.")
        if self._names < 0:
            self._open()
            self.on_begin()
        if self.is_removed():
            raise Unavailable("The run's folder was removed: nothing can be logged to it.")
        index = self._index + 1
        path = self.folder / f"{self.name}.{index}"
        size = segment_records(index) * RECORD.size
        with disk_errors():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
                segment = mmap.mmap(descriptor, size)
                # All of its pages at once: one by one, each would be waited for in the loop.
                with suppress(OSError, ValueError):  # Linux from 5.14 on knows it
                    segment.madvise(_POPULATE_WRITE)
            except BaseException:
                path.unlink()
                raise
            finally:
                os.close(descriptor)
        self._begin += self._position // RECORD.size
        self._segment, self._index = segment, index
        self._position, self._end = 0, size
        self._segments.append((path, self._begin + segment_records(index)))
        if index:
            self.on_full()

    def _add_key(self, key: str) -> int:
        if self.check_key is not None:
            self.check_key(key)
        number = len(self._numbers)
        line = json.dumps(key).encode() + b"\n"
        with disk_errors():
            written = os.write(self._names, line)
            if written < len(line):
                os.ftruncate(self._names, os.fstat(self._names).st_size - written)
                raise StorageFull("No room for the metric's name.")
        self._numbers[key] = number
        self._last_step.append(-1 if self.begins_series else None)
        return number


_writers: "WeakSet[JournalWriter]" = WeakSet()


def folders_written_to() -> set[Path]:
    """The folders that this process has open journals in."""
    return {writer.folder for writer in list(_writers) if writer.is_open}


def _after_fork() -> None:
    for writer in list(_writers):
        writer.forget_parents()


os.register_at_fork(after_in_child=_after_fork)
