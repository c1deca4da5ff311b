"""Reading journals: of this process, of others that live, of those that died."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ml_workspace_lab.storage.files import is_held
from ml_workspace_lab.storage.journal import (
    FIRST_SEGMENT,
    MARK,
    RECORD,
    SEGMENT,
    leave,
    segment_records,
)

_MARKED = MARK.to_bytes(4, "little")


class Batch(NamedTuple):
    """Records of a journal from the number `first` on, and the names that they use."""

    first: int
    names: list[str]
    records: bytes


def journals(folder: Path) -> list[str]:
    """The names of the journals in a folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - of many runs: names, and no paths of them
    except FileNotFoundError:  # as for most of the runs in a long list
        return []
    return sorted(
        name.removesuffix(".keys")
        for name in names
        if name.endswith(".keys") and name.startswith(("u", "w"))
    )


def is_alive(folder: Path, journal: str) -> bool:
    """Whether the process that writes the journal may write more."""
    return is_held(folder / f"{journal}.keys")


def read(folder: Path, journal: str, first: int, limit: int) -> Batch:
    """At most `limit` records from the number `first` on; fewer, or from a later one, where those
    are no longer there."""
    parts: list[bytes] = []
    begin, start = 0, first
    for index in _indices(folder, journal):
        begin = _begin(index)
        count = segment_records(index)
        if begin + count <= first:
            continue
        if not parts:
            start = max(first, begin)
        following = start + _count(parts)
        if begin > following:
            break  # The listing of the folder missed a segment that was made meanwhile.
        wanted = min(limit - _count(parts), begin + count - following)
        parts.append(_records(folder / f"{journal}.{index}", following - begin, wanted))
        if start + _count(parts) < begin + count:
            break
    # Records before names: a name is written before the first record that uses it.
    try:
        names = (folder / f"{journal}.keys").read_bytes().splitlines()
    except FileNotFoundError:  # Removed meanwhile, as the store has all of it.
        return Batch(first + 1, [], b"")
    return Batch(start, [json.loads(name) for name in names], b"".join(parts))


def has_grown(folder: Path, known: Mapping[str, int]) -> bool:
    """Whether the journals in a folder are others than those known, or longer than was known."""
    names = journals(folder)
    return names != sorted(known) or any(_has_record(folder, name, known[name]) for name in names)


def _has_record(folder: Path, journal: str, number: int) -> bool:
    index = 0 if number < FIRST_SEGMENT else 1 + (number - FIRST_SEGMENT) // SEGMENT
    return bool(_records(folder / f"{journal}.{index}", number - _begin(index), 1))


def size(folder: Path) -> int:
    """A number that grows with every point logged below `folder`."""
    total = 0
    for journal in journals(folder):
        indices = list(_indices(folder, journal))
        if indices:
            total += _begin(indices[-1]) + _filled(folder / f"{journal}.{indices[-1]}")
    return total


def remove(folder: Path, journal: str) -> None:
    """Take away the journal of a process that has ended."""
    for index in list(_indices(folder, journal)):
        (folder / f"{journal}.{index}").unlink(missing_ok=True)
    (folder / f"{journal}.keys").unlink(missing_ok=True)
    leave(folder)


def _indices(folder: Path, journal: str) -> Iterator[int]:
    found = [int(p.suffix[1:]) for p in folder.glob(f"{journal}.*") if p.suffix[1:].isdecimal()]
    return iter(sorted(found))


def _begin(index: int) -> int:
    return segment_records(0) + (index - 1) * segment_records(1) if index else 0


def _count(parts: list[bytes]) -> int:
    return sum(len(part) for part in parts) // RECORD.size


def _records(path: Path, skip: int, limit: int) -> bytes:
    """Whole records of one segment, at most `limit` after the first `skip`."""
    try:
        with path.open("rb") as file:
            # Marks before what they vouch for: a copy of both at once may hold a record as it was
            # before it was written, and the mark that came while the copy was being made.
            count = min(limit, _whole(file.fileno(), skip) - skip)
            return os.pread(file.fileno(), count * RECORD.size, skip * RECORD.size)
    except FileNotFoundError:
        return b""


def _filled(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return _whole(file.fileno())
    except FileNotFoundError:
        return 0


def _whole(descriptor: int, known: int = 0) -> int:
    """How many records a segment has: those before the first without its mark. At least `known`
    of them are whole."""
    low, high = known, max(known, os.fstat(descriptor).st_size // RECORD.size)
    while low < high:
        middle = (low + high) // 2
        if os.pread(descriptor, 4, (middle + 1) * RECORD.size - 4) == _MARKED:
            low = middle + 1
        else:
            high = middle
    return low
