"""Finding traces by what is said of them and of their spans."""

from collections.abc import Sequence

import msgspec

from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.ordering import by_attributes
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.sql import TRUE, Bindings, Dialect, dialect
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.tracing import store
from ml_workspace_lab.tracing.conditions import TraceConditions
from ml_workspace_lab.tracing.model import SearchTraces, TraceList
from ml_workspace_lab.tracing.terms import ATTRIBUTES, TRACES

_TIES = ("timestamp_ms DESC", "number DESC")


def traces(database: Database, asked: SearchTraces) -> TraceList:
    """One page of traces."""
    way, bindings = dialect(database), Bindings()
    order = by_attributes(asked.order_by, tuple(ATTRIBUTES), _TIES, TRACES)
    question = msgspec.structs.replace(asked, after=None, limit=1)
    columns = {
        name: way.bytewise(f"coalesce({one.sql}, '')")
        if one.kind == "text"
        else f"coalesce({one.sql}, -1)"
        for name, one in ATTRIBUTES.items()
    }
    # As they are, so that their index serves.
    columns |= {"timestamp_ms": "x.created", "number": "x.id"}
    parts = [
        matching(way, bindings, asked.filter),
        among(database, bindings, asked.experiments),
    ]
    if asked.after is not None:
        place = records.from_token(asked.after, question, "after")
        parts.append(records.after(place, order, columns, bindings))
    sorts = ", ".join(f"{columns[one.term.name]} AS sort{at}" for at, one in enumerate(order))
    with in_time(database) as queries:
        rows = queries.all(
            store.TRACES.replace("x.*", f"x.*, {sorts}")
            + f" WHERE {' AND '.join(parts)} ORDER BY {records.order_sql(order, columns)}"
            f" LIMIT {bindings.mark(asked.limit + 1)}",
            **bindings.values,
        )
    page = rows[: asked.limit]
    following = None
    if len(rows) > len(page):
        place = [page[-1][f"sort{at}"] for at in range(len(order))]
        following = records.to_token(place, question)
    return TraceList(store.infos(database, page), following)


def among(database: Database, bindings: Bindings, experiments: Sequence[str]) -> str:
    """That a trace `x` is one of these experiments', and not only expected."""
    places = store.experiments(database, experiments)
    return f"x.experiment IN ({bindings.marks(places) or 'NULL'}) AND x.started >= 0"


def matching(way: Dialect, bindings: Bindings, text: str, field: str = "filter") -> str:
    """That a trace `x` is one that the filter matches. Raises InvalidInput naming its field."""
    expression = parse(text, TRACES, field)
    if expression is None:
        return TRUE
    return TraceConditions(way, bindings).condition(expression)
