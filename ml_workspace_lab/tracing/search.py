"""Finding traces by what is said of them and of their spans."""

import msgspec

from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.expression import (
    And,
    Comparison,
    Expression,
    Not,
    Or,
    Term,
)
from ml_workspace_lab.experiments.search.ordering import by_attributes
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.records import Records
from ml_workspace_lab.experiments.search.sql import Bindings, dialect
from ml_workspace_lab.experiments.search.vocabulary import Field, FieldKind, Vocabulary
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.tracing import store, visible
from ml_workspace_lab.tracing.model import SearchTraces, TraceList

_NAME = (
    "(SELECT n.value FROM trace_pair n WHERE n.trace = x.id AND n.kind = 'tag'"
    " AND n.key = 'mlflow.traceName')"
)
_ATTRIBUTES: dict[str, tuple[FieldKind, str, tuple[str, ...]]] = {
    "number": ("number", "x.id", ()),
    "request_id": ("text", "x.uid", ("trace_id", "id")),
    "timestamp_ms": ("time", "x.created", ("timestamp", "request_time", "created")),
    "execution_time_ms": ("number", "x.duration", ("execution_time", "execution_duration")),
    "end_time_ms": ("time", "(x.created + x.duration)", ("end_time",)),
    "status": ("text", "x.state", ("state",)),
    "client_request_id": ("text", "x.client_request_id", ()),
    "name": ("text", _NAME, ()),
    "run_id": ("text", "", ()),
    "text": ("text", "", ()),
    "experiment_id": ("number", "x.experiment", ()),
}
_SPELLINGS = {
    "attribute": ("attribute", "attributes", "attr", "trace"),
    "tag": ("tag", "tags"),
    "metadata": ("metadata", "request_metadata"),
    "span": ("span",),
    "feedback": ("feedback",),
    "expectation": ("expectation",),
}
_SPAN = ("name", "type", "status")
TRACES = Vocabulary(
    spellings={word: entity for entity, words in _SPELLINGS.items() for word in words},
    fields={
        "attribute": {
            spelling: Field(name, kind)
            for name, (kind, _, others) in _ATTRIBUTES.items()
            for spelling in (name, *others)
        },
        "span": {name: Field(name, "text") for name in (*_SPAN, "content")},
    },
    keyed=dict.fromkeys(("tag", "metadata", "feedback", "expectation"), "text"),
)
_SPANS = " UNION ALL ".join(
    f"SELECT s.trace, '{name}' AS key, s.{name} AS value FROM trace_span s"  # noqa: S608
    for name in _SPAN
)
_THOUGHTS = "(SELECT a.trace, a.name AS key, a.value FROM assessment a WHERE a.valid = 1"
_RECORDS = Records(
    TRACES,
    {name: sql for name, (_, sql, _) in _ATTRIBUTES.items()},
    {
        "tag": "trace_pair t WHERE t.trace = x.id AND t.kind = 'tag'",
        "metadata": "trace_pair t WHERE t.trace = x.id AND t.kind = 'metadata'",
        "feedback": f"{_THOUGHTS} AND a.kind = 'feedback') t WHERE t.trace = x.id",
        "expectation": f"{_THOUGHTS} AND a.kind = 'expectation') t WHERE t.trace = x.id",
        "span": f"({_SPANS}) t WHERE t.trace = x.id",
        "run": "(SELECT l.trace, 'run_id' AS key, l.run AS value FROM trace_run l) t"
        " WHERE t.trace = x.id",
    },
)
_TIES = ("timestamp_ms DESC", "number DESC")
_SORTABLE = tuple(name for name in _ATTRIBUTES if name not in ("run_id", "text"))


def traces(database: Database, asked: SearchTraces) -> TraceList:
    """One page of traces."""
    way, bindings = dialect(database), Bindings()
    expression = parse(asked.filter, TRACES)
    order = by_attributes(asked.order_by, _SORTABLE, _TIES, TRACES)
    question = msgspec.structs.replace(asked, after=None, limit=1)
    columns = {
        name: way.bytewise(f"coalesce({sql}, '')") if kind == "text" else f"coalesce({sql}, -1)"
        for name, (kind, sql, _) in _ATTRIBUTES.items()
    }
    # As they are, so that their index serves.
    columns |= {"timestamp_ms": "x.created", "number": "x.id"}
    places = store.experiments(database, asked.experiments)
    seen = {**_RECORDS.pairs, "seen": visible.pairs(way)}
    about = msgspec.structs.replace(_RECORDS, pairs=seen)
    parts = [f"x.experiment IN ({bindings.marks(places) or 'NULL'})", "x.started >= 0"]
    if expression is not None:
        parts.append(records.condition(_linked(expression), about, way, bindings))
    if asked.after is not None:
        place = records.from_token(asked.after, question, "after")
        parts.append(records.after(place, order, columns, bindings))
    sorts = ", ".join(f"{columns[one.term.name]} AS sort{at}" for at, one in enumerate(order))
    rows = database.all(
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


def _linked(expression: Expression) -> Expression:
    """The expression with the run asked for where the links to runs are, and the text in what
    people see of the spans."""
    match expression:
        case And(parts):
            return And(tuple(map(_linked, parts)))
        case Or(parts):
            return Or(tuple(map(_linked, parts)))
        case Not(part):
            return Not(_linked(part))
        case Comparison(Term("attribute", "run_id")):
            return msgspec.structs.replace(expression, term=Term("run", "run_id"))
        case Comparison(Term("attribute", "text") | Term("span", "content")):
            return msgspec.structs.replace(expression, term=Term("seen", "text"))
        case _:
            return expression
