"""Finding traces by what is said of them and of their spans."""

import msgspec

from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.ordering import by_attributes
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.sql import Bindings, dialect
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.tracing import store
from ml_workspace_lab.tracing.conditions import TraceConditions
from ml_workspace_lab.tracing.model import SearchTraces, TraceList
from ml_workspace_lab.tracing.terms import ATTRIBUTES, TRACES

_TIES = ("timestamp_ms DESC", "number DESC")


def traces(database: Database, asked: SearchTraces) -> TraceList:
    """One page of traces."""
    way, bindings = dialect(database), Bindings()
    expression = parse(asked.filter, TRACES)
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
    places = store.experiments(database, asked.experiments)
    parts = [f"x.experiment IN ({bindings.marks(places) or 'NULL'})", "x.started >= 0"]
    if expression is not None:
        parts.append(TraceConditions(way, bindings).condition(expression))
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
