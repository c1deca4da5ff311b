"""Giving the space of deleted rows back to the disk."""

import sqlite3
from contextlib import suppress

WORTH_BYTES = 1024 * 1024
WORTH_SHARE = 0.2
"""Rewriting a database pays where so many of its bytes, and this share of them, are free."""

LARGEST = 512 * 1024 * 1024
"""What is larger takes too long while others wait to write: its free pages are used again."""


def shrink(connection: sqlite3.Connection, free: int) -> None:
    """Rewrite the database without its free pages where that pays and fits into the `free` bytes of
    the disk, and cut its log. A reader that goes on, or a full disk, keeps both as they are."""
    with suppress(sqlite3.OperationalError):
        pages, unused, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        kept = (pages - unused) * size
        pays = unused * size >= WORTH_BYTES and unused >= WORTH_SHARE * pages
        # A copy is made first, and it goes through the log then.
        if pays and kept <= LARGEST and 2 * kept < free:
            connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
