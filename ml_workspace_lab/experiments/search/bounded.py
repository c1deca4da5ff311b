"""Pages that are bounded by what they hold, not by its number alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.ordering import OrderTerm
from ml_workspace_lab.experiments.search.sql import Bindings
from ml_workspace_lab.storage.database import Database, Queries, Row

PAGE_SIZE = 16 * 1024 * 1024
"""Characters that a page has at most, unless it has one row."""

T = TypeVar("T")


class Sorted(msgspec.Struct, frozen=True):
    """An order of rows: by what SQL of each name, and what that is called in the rows."""

    order: Sequence[OrderTerm]
    columns: Mapping[str, str]
    names: Mapping[str, str]


def fitting(rows: Sequence[Row], limit: int) -> int:
    """How many of the rows, which have their `size`, make a page: at most `limit`."""
    size = 0
    for at, row in enumerate(rows[:limit]):
        size += row["size"]
        if at and size > PAGE_SIZE:
            return at
    return min(len(rows), limit)


def page(
    database: Database,
    select: str,
    parts: Sequence[str],
    by: Sorted,
    asked: msgspec.Struct,
    bindings: Bindings,
    whole: Callable[[Queries, list[int]], list[T]],
) -> tuple[list[T], str | None]:
    """One page of the rows that `select` reads, with their `id` and `size`, and of which all parts
    are true: what `whole` makes of their ids, and the token of the page that follows. `asked` has
    the `limit`, and the `after` of such a token."""
    limit, token = asked.limit, asked.after  # type: ignore[attr-defined]
    question = msgspec.structs.replace(asked, after=None, limit=1)
    parts = list(parts)
    if token is not None:
        place = records.from_token(token, question, "after")
        parts.append(records.after(place, by.order, by.columns, bindings))
    with in_time(database) as queries:
        rows = queries.all(
            f"{select} WHERE {' AND '.join(parts)} ORDER BY"
            f" {records.order_sql(by.order, by.columns)} LIMIT {bindings.mark(limit + 1)}",
            **bindings.values,
        )
        taken = rows[: fitting(rows, limit)]
        found = whole(queries, [row["id"] for row in taken])
    if len(rows) == len(taken):
        return found, None
    last = [taken[-1][by.names[one.term.name]] for one in by.order]
    return found, records.to_token(last, question)
