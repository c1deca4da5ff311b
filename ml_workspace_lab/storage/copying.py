"""Rows of a workspace from one database into another of the same schema."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from ml_workspace_lab.storage.database import Database

AT_ONCE = 1000
"""Rows that one transaction takes."""


def copy_rows(
    rows_of: Callable[[str], Iterable[Mapping[str, Any]]],
    tables: Sequence[str],
    target: Database,
) -> None:
    """Add all rows of the tables, in this order, to an empty database."""
    for table in tables:
        rows = iter(rows_of(table))
        while some := list(islice(rows, AT_ONCE)):
            with target.write(durable=False) as transaction:
                for row in some:
                    transaction.insert(table, **row)
