"""Sizes of a store on disk, and its way out of memory."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path


def files(folder: str) -> Iterator[Path]:
    return (path for path in Path(folder).rglob("*") if path.is_file())


def bytes_below(folder: str) -> int:
    """What a store takes up at rest: what a database's log of changes holds is in the database."""
    for path in list(files(folder)):
        if path.suffix == ".db":
            with closing(sqlite3.connect(path, timeout=10)) as database:
                database.execute("pragma wal_checkpoint(truncate)")
    return sum(path.stat().st_size for path in files(folder))


def forget(folder: str) -> None:
    """Drop the files of a store from the page cache, so that they are read from the disk."""
    for path in files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
