"""Samples as they are kept: lines of JSON in files of one deployment, the oldest of which go first.

endpoints/NAME/samples/DEPLOYMENT/BEGAN-RANDOM.jsonl    one writer each
"""

import os
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.telemetry.model import Sample, SamplePage

SEGMENT_BYTES = 1024**2
SEGMENT_SECONDS = 3600.0
"""A file is ended when it is so long or so old."""
FREE_BYTES = 32 * 1024**2
"""What is left of a disk is not for samples."""
_END = ".jsonl"


class DiskFull(Exception):
    """There is no room that samples may have."""


class SampleWriter:
    """Appends the samples of one process. `most_bytes` and `days` are what all those of its
    deployment may take."""

    def __init__(self, folder: Path, most_bytes: int, days: int) -> None:
        self.most_bytes = most_bytes
        self.days = days
        self._folder = folder
        self._file: int | None = None
        self._size = 0
        self._ends = 0.0

    def write(self, line: bytes) -> None:
        """Append a line as a whole, or nothing of it. Raises OSError, and DiskFull."""
        if self._file is None or self._is_over(self._file, len(line)):
            self._begin()
        assert self._file is not None
        _require_room(self._folder)
        if os.write(self._file, line) != len(line):
            os.ftruncate(self._file, self._size)
            raise DiskFull
        self._size += len(line)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_over(self, file: int, more: int) -> bool:
        """Whether it is too long for so many bytes more, old enough, or was deleted by whom the
        samples belong to."""
        is_full = self._size + more > self._limit or time.monotonic() > self._ends
        return is_full or os.fstat(file).st_nlink == 0

    @property
    def _limit(self) -> int:
        return min(SEGMENT_BYTES, self.most_bytes // 4)

    def _begin(self) -> None:
        self.close()
        for folder in (self._folder.parent, self._folder):
            # Not the endpoint's own folder: that is gone when the endpoint is.
            folder.mkdir(mode=0o700, exist_ok=True)
        prune(self._folder, self.most_bytes - self._limit, self.days)
        _require_room(self._folder)
        name = f"{time.time_ns():019}-{os.urandom(4).hex()}{_END}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self._folder / name, flags, 0o600)
        self._size, self._ends = 0, time.monotonic() + SEGMENT_SECONDS


def prune(folder: Path, most_bytes: int | None, days: int) -> None:
    """Remove files older than that, then the oldest until the rest is no longer than that."""
    before = time.time() - days * 86_400
    total = 0
    for path in sorted(_files(folder), reverse=True):
        with suppress(FileNotFoundError):
            status = path.stat()
            total += status.st_size
            if status.st_mtime < before or (most_bytes is not None and total > most_bytes):
                path.unlink()


def keep_only(samples: Path, deployments: Collection[str]) -> None:
    """Remove what is left of deployments that are gone."""
    if samples.is_dir():
        for folder in samples.iterdir():
            if folder.name not in deployments:
                shutil.rmtree(folder, ignore_errors=True)


def clear(samples: Path, deployment: str | None) -> None:
    """Remove the samples of a deployment, or all. Its process goes on with another file."""
    folders = list(samples.iterdir()) if samples.is_dir() else []
    for folder in folders:
        if deployment in (None, folder.name):
            for path in _files(folder):
                path.unlink(missing_ok=True)


def page(
    samples: Path, deployment: str | None, after: tuple[int, int] | None, limit: int
) -> SamplePage:
    """The newest first. `after` is a moment from which on to go back, in milliseconds, and how many
    samples of that moment have been seen."""
    found: list[Sample] = []
    moment, seen = after or (None, 0)
    passed = 0
    for sample in _newest_first(samples, deployment, moment):
        if sample.time == moment and passed < seen:
            passed += 1
            continue
        found.append(sample)
        if len(found) == limit:
            last = sample.time
            same = sum(one.time == last for one in found) + (seen if last == moment else 0)
            return SamplePage(found, f"{last}-{same}")
    return SamplePage(found, None)


@dataclass
class _File:
    """A file, and the moment after which it has no samples."""

    path: Path
    ended: int
    lines: list[bytes] = field(default_factory=list)

    def pop(self) -> Sample | None:
        """The last of its samples that has not been taken yet."""
        while self.lines:
            with suppress(msgspec.DecodeError):  # A process was killed while it wrote.
                return msgspec.json.decode(self.lines.pop(), type=Sample)
        return None


def _newest_first(samples: Path, deployment: str | None, until: int | None) -> Iterator[Sample]:
    """Each file has its samples in order; one is opened when what it ends with is next."""
    waiting = _in_order(samples, deployment)
    heads: list[tuple[int, int, Sample, _File]] = []
    opened = 0
    while waiting or heads:
        while waiting and (not heads or waiting[-1].ended >= -heads[0][0]):
            file = waiting.pop()
            opened += 1
            file.lines = _lines(file.path)
            _push(heads, opened, file)
        if not heads:
            continue
        _, number, sample, file = heappop(heads)
        if until is None or sample.time <= until:
            yield sample
        _push(heads, number, file)


def _push(heads: list[tuple[int, int, Sample, _File]], number: int, file: _File) -> None:
    if (sample := file.pop()) is not None:
        heappush(heads, (-sample.time, number, sample, file))


def _in_order(samples: Path, deployment: str | None) -> list[_File]:
    """The files, the one that was written last at the end."""
    found = []
    for folder in _listed(samples):
        for path in _files(folder) if deployment in (None, folder.name) else ():
            with suppress(FileNotFoundError):
                # The clock of files may be a tick behind.
                found.append(_File(path, int(path.stat().st_mtime * 1000) + 1000))
    return sorted(found, key=lambda file: file.ended)


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _files(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if path.suffix == _END]


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _require_room(folder: Path) -> None:
    status = os.statvfs(folder)
    if status.f_bavail * status.f_frsize < FREE_BYTES:
        raise DiskFull
