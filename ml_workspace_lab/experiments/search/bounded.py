"""Pages that are bounded by what they hold, not by its number alone."""

from collections.abc import Sequence

from ml_workspace_lab.storage.database import Row

PAGE_SIZE = 16 * 1024 * 1024
"""Characters that a page has at most, unless it has one row."""


def fitting(rows: Sequence[Row], limit: int) -> int:
    """How many of the rows, which have their `size`, make a page: at most `limit`."""
    size = 0
    for at, row in enumerate(rows[:limit]):
        size += row["size"]
        if at and size > PAGE_SIZE:
            return at
    return min(len(rows), limit)
