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
from weakref import WeakValueDictionary

from ml_workspace_lab.errors import InvalidInput, StorageFull, Unavailable
from ml_workspace_lab.storage.files import disk_errors, flock

RECORD = struct.Struct("<qqdII")
MARK = 0x324A574D  # "MWJ2"
FIRST_SEGMENT = 2048
SEGMENT = 32768
"""Records of a journal's first segment, and of each later one."""

HELD_RECORDS = 1_000_000
"""Records that are held in memory at most while the disk is full."""

LAST_STEP = 2**63 - 1
_POPULATE_WRITE = 23
_DOUBLE = struct.Struct("<d")
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
        # A signal's handler may log while this very thread does.
        self._lock = threading.RLock()
        self._appending = False
        self._naming: tuple[str, bytes, int, int] | None = None
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
        _writers[id(self)] = self

    def append(
        self, key: str, value: float, step: int | None = None, time: int | None = None
    ) -> None:
        """Log one point: without a step at the one after the key's last, without a time (ms) now.

        Raises struct.error where a value is no number or beyond 64 bits, InvalidInput where there
        is no step after the last one, StepUnknown where that must be said first, StorageFull where
        no more can be held, Unavailable where the journal is closed; nothing is logged then.
        """
        with self._lock:
            while True:
                if self._appending:
                    self._step_over()
                self._appending = True
                position = self._position
                if position == self._end:
                    self._roll()
                    position = self._position
                number = self._numbers.get(key)
                if number is None:
                    number = self._add_key(key)
                at = step
                if at is None:
                    last = self._last_step[number]
                    if last.__class__ is int and last < LAST_STEP:
                        at = last + 1  # without the cost of a call
                    elif last is None:
                        raise StepUnknown
                    else:
                        at = following(last)
                moment = time
                if moment is None:
                    # A clock that is put back must not change the order of what is logged.
                    moment = _time_ns() // 1_000_000
                    if moment < self._last_time:
                        moment = self._last_time
                    else:
                        self._last_time = moment
                if value.__class__ is not float and not isinstance(value, float):
                    value = _double(value)
                if not self._appending:
                    continue  # A signal's handler has logged in between: at this place.
                _pack_into(self._segment, position, at, moment, value, number, MARK)
                if self._appending:  # Else such a one has stepped over this record.
                    self._last_step[number] = at
                    self._position = position + 32
                    self._appending = False
                return

    def _step_over(self) -> None:
        """Count the record that an interrupted `append` of this thread has written, but not counted
        yet. Where one failed there is none."""
        position = self._position
        if position < self._end:
            step, _, _, number, mark = RECORD.unpack_from(self._segment, position)
            if mark == MARK and self._appending:
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
        leave(self.folder)

    def forget_parents(self) -> None:
        """In the child of a fork: two processes must not append to one journal. The child's own is
        begun by its first point."""
        self._lock = threading.RLock()
        self._appending = False
        if not self._closed:
            names, self._names = self._names, -1
            self._segment, self._segments = b"", []
            self._begin = self._position = self._end = 0
            if names >= 0:  # a child that has logged nothing may fork, too
                os.close(names)

    # A signal's handler that logs may interrupt each of these three, and do the same: what it has
    # done is taken over. Python runs handlers after calls, not between plain assignments.

    def _open(self) -> None:
        name = f"{self._kind}{os.getpid()}-{os.urandom(4).hex()}"
        path = self.folder / f"{name}.keys"
        with disk_errors():
            names = _created(path)
        # Held for as long as the process lives: who reads knows whether more may come.
        flock(names, fcntl.LOCK_EX)
        if self._names >= 0:
            os.close(names)
            path.unlink()
            return
        self.name, self._names_path = name, path
        self._numbers: dict[str, int] = {}
        self._last_step: list[int | None] = []
        self._naming = None
        self._named = self._names_size = 0
        self._segments = []
        self._index = -1
        self._begin = self._position = self._end = 0
        self._closed = False
        self._names = names

    def _roll(self) -> None:
        """Begin the next segment."""
        if self._closed:
            raise Unavailable("The journal is closed.")
        if self._names < 0:
            self._open()
            self.on_begin()
        if self.is_removed():
            raise Unavailable("The run's folder was removed: nothing can be logged to it.")
        if self._position < self._end:
            return
        index = self._index + 1
        path = self.folder / f"{self.name}.{index}"
        records = segment_records(index)
        size = records * RECORD.size
        with disk_errors():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
                segment = mmap.mmap(descriptor, size)
                # All of its pages at once: one by one, each would be waited for in the loop.
                with suppress(OSError, ValueError):  # Linux from 5.14 on knows it
                    segment.madvise(_POPULATE_WRITE)
                if not os.fstat(descriptor).st_nlink:
                    raise StorageFull("No room for the journal.")
            except BaseException:
                if self._index < index:
                    path.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
        if self._index < index:
            self._begin += self._position // RECORD.size
            self._segment, self._index = segment, index
            self._position, self._end = 0, size
            self._segments.append((path, self._begin + records))
            if index:
                self.on_full()

    def _add_key(self, key: str) -> int:
        if self.check_key is not None:
            self.check_key(key)
        line = json.dumps(key).encode() + b"\n"
        while key not in self._numbers:
            if self._naming is None:
                self._naming = key, line, self._names_size, self._named
            self._write_name(self._naming)
        return self._numbers[key]

    def _write_name(self, naming: tuple[str, bytes, int, int]) -> None:
        """Write a name at its place, which no other gets before. A second time changes nothing."""
        key, line, place, number = naming
        end = place + len(line)
        with disk_errors():
            if place + os.pwrite(self._names, line, place) < end:
                os.ftruncate(self._names, place)
                raise StorageFull("No room for the metric's name.")
        if self._naming is naming:
            self._numbers[key] = number
            self._named, self._names_size = number + 1, end
            self._naming = None
            self._last_step.append(-1 if self.begins_series else None)


def leave(folder: Path) -> None:
    """Take the folder away with its last journal: who asks for those of many runs asks quickly."""
    with suppress(OSError):  # there are others
        folder.rmdir()


def _created(path: Path) -> int:
    """A new file and its folder, open for writing."""
    while True:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another journal's end took the folder away in between
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _double(value: Any) -> float:
    """A number of another class, by its own code: not while it is written."""
    if value.__class__ is int:
        return value
    double: float = _DOUBLE.unpack(_DOUBLE.pack(value))[0]
    return double


_writers: "WeakValueDictionary[int, JournalWriter]" = WeakValueDictionary()


def folders_written_to() -> set[Path]:
    """The folders that this process has open journals in."""
    return {writer.folder for writer in _living() if writer.is_open}


def _living() -> list[JournalWriter]:
    # By references, which are listed in one step, whatever other threads open meanwhile.
    return [writer for one in _writers.valuerefs() if (writer := one()) is not None]


def _after_fork() -> None:
    for writer in _living():
        with suppress(OSError):
            writer.forget_parents()


os.register_at_fork(after_in_child=_after_fork)
