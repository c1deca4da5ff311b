"""What a search may take."""

from collections.abc import Iterator
from contextlib import contextmanager

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.database import Database, Reading, TooLong

SECONDS = 30.0
"""How long its statements may take."""


@contextmanager
def in_time(database: Database) -> Iterator[Reading]:
    """Reading for one search. Raises InvalidInput where it takes too long."""
    try:
        with database.read(SECONDS) as queries:
            yield queries
    except TooLong:
        raise InvalidInput(
            f"filter: it took over {SECONDS:g} s to look for this.",
            field="filter",
            hint="Name experiments, or ask for less: fewer patterns, shorter ones, fewer rows.",
        ) from None
