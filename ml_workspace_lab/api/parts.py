"""Contents that go over the network in parts: one that is cut off costs that part alone."""

import time
from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO, TypeVar

from msgspec import Struct

from ml_workspace_lab.errors import Unavailable

PART = 8 * 1024 * 1024
MOST = 16 * 1024**3
"""The largest content (bytes)."""
PAUSES = (0.2, 1.0, 3.0)
"""Seconds between tries to go on, as long as nothing gets through."""

T = TypeVar("T")


class UploadState(Struct, frozen=True):
    """How far an upload has come. Part n (from 1) are the bytes from `(n - 1) * part_size` on, and
    `missing` those that are not here yet."""

    part_size: int
    missing: list[int]


def count(size: int) -> int:
    """The parts of a content of so many bytes."""
    return -(-size // PART)


def send(
    file: BinaryIO,
    size: int,
    *,
    begin: Callable[[], UploadState],
    put: Callable[[int, BinaryIO], object],
    end: Callable[[], T],
) -> T:
    """Send the next `size` bytes of a file: `begin` says what is missing, `put` sends a part, and
    what `end` says is returned. Raises Unavailable where the workspace can't be reached, or
    somebody else takes long to end the same upload; the same call later goes on where this one came
    to."""
    start = file.tell()
    pauses = list(PAUSES)
    while True:
        try:
            state = begin()
            for part in state.missing:
                at = (part - 1) * state.part_size
                file.seek(start + at)
                put(part, BytesIO(file.read(min(state.part_size, size - at))))
                pauses = list(PAUSES)
            return end()
        except Unavailable:
            if not pauses:
                raise
            time.sleep(pauses.pop(0))
