"""The journal that metrics are logged to: an append-only file for each process that logs.

A record is 32 bytes: mark, key number (u32 each), step, time in ms (i64 each), value (f64); keys
get their numbers from a file of names beside it. One `write` a record: a process that is killed
loses nothing that `append` returned from, and a torn last record has no whole length.
"""

import errno
import json
import os
import secrets
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.files import disk_errors

_RECORD = struct.Struct("<IIqqd")
_MARK = 0x314A574D  # "MWJ1"


class Point(NamedTuple):
    key: str
    step: int
    time: int
    value: float


class JournalWriter:
    """Appends to a journal of its own below `folder`; safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._records, self._names = self._open()
        _writers.add(self)

    def append(self, key: str, step: int | None, time: int, value: float) -> None:
        """Log one point; without a step it takes the one after the key's last."""
        with self._lock, disk_errors():
            if not os.fstat(self._records).st_nlink:
                raise Unavailable("The run's folder was removed: nothing can be logged to it.")
            number = self._keys.get(key)
            if number is None:
                number = self._add_key(key)
            if step is None:
                step = self._next_step.get(number, 0)
            _append(self._records, _RECORD.pack(_MARK, number, step, time, value))
            self._next_step[number] = step + 1

    def close(self) -> None:
        with self._lock:
            if self._records >= 0:
                os.close(self._records)
                os.close(self._names)
                self._records = self._names = -1

    def _open(self) -> tuple[int, int]:
        """Descriptors of a new journal: of its records and of its names."""
        self._keys: dict[str, int] = {}
        self._next_step: dict[int, int] = {}
        with disk_errors():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            stem = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            names = os.open(stem.with_suffix(".keys"), flags, 0o600)
            return os.open(stem.with_suffix(".journal"), flags, 0o600), names

    def start_anew(self) -> None:
        """In the child of a fork: two processes must not append to one journal."""
        self._lock = threading.Lock()
        if self._records >= 0:
            os.close(self._records)
            os.close(self._names)
            self._records, self._names = self._open()

    def _add_key(self, key: str) -> int:
        number = len(self._keys)
        _append(self._names, json.dumps(key).encode() + b"\n")
        self._keys[key] = number
        return number


def _append(descriptor: int, record: bytes) -> None:
    """Write all of the record or nothing: a part would put every later one out of place."""
    written = os.write(descriptor, record)
    if written < len(record):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


_writers: "WeakSet[JournalWriter]" = WeakSet()


def _after_fork() -> None:
    for writer in list(_writers):
        writer.start_anew()


os.register_at_fork(after_in_child=_after_fork)


def read_points(folder: Path) -> Iterator[Point]:
    """Every point that was logged below `folder`, in the order of each journal."""
    for path in sorted(folder.glob("*.journal")):
        # Records before names: a name is written before the first record that uses it.
        content = path.read_bytes()
        names = path.with_suffix(".keys").read_bytes().splitlines()
        keys = [json.loads(name) for name in names]
        whole = len(content) - len(content) % _RECORD.size
        for mark, number, step, time, value in _RECORD.iter_unpack(content[:whole]):
            if mark == _MARK and number < len(keys):
                yield Point(keys[number], step, time, value)


def size(folder: Path) -> int:
    """Bytes logged so far: a number that grows with every point."""
    try:
        with os.scandir(folder) as entries:
            return sum(e.stat().st_size for e in entries if e.name.endswith(".journal"))
    except FileNotFoundError:
        return 0
