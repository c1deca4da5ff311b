"""The log of a run as the server keeps it for a runner on another machine."""

import os
from pathlib import Path

from ml_workspace_lab.errors import StorageFull
from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.log_index import index_of
from ml_workspace_lab.storage.log_writer import LogWriter

NO_LIMIT = 1 << 62
"""The runner keeps to the limit of a log: only it knows what is the end."""


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def append(path: Path, known: int, content: bytes, *, gap: bool) -> int:
    """Add `content`, which comes after the `known` bytes; the size then. Raises StorageFull, and
    keeps nothing of it.

    Bytes beyond those known are of a batch whose acknowledgement was never written down, and come
    again: they are cut off. After a `gap` they do not come again, and stay.
    """
    present = size(path)
    begin = present if gap else min(known, present)
    if begin < present:
        _cut(path, begin)
    writer = LogWriter(path, NO_LIMIT)
    try:
        try:
            writer.write(content)
        finally:
            writer.close()
    except StorageFull:
        _cut(path, begin)
        raise
    return size(path)


def _cut(path: Path, length: int) -> None:
    with disk_errors():
        os.truncate(path, length)
        index_of(path).unlink(missing_ok=True)  # It only saves time.
