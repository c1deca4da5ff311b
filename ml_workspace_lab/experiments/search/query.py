"""Searches as SQL: a page of row ids, all of them, and how many there are."""

from collections.abc import Sequence
from math import prod

from msgspec import Struct

from ml_workspace_lab.experiments.search.conditions import KEYED, Scope, condition, said, successive
from ml_workspace_lab.experiments.search.expression import (
    Comparison,
    Expression,
    Term,
    comparisons,
    conjuncts,
)
from ml_workspace_lab.experiments.search.keys import (
    Segment,
    beyond,
    can_walk,
    is_column,
    is_nowhere_missing,
    joins,
    segments,
)
from ml_workspace_lab.experiments.search.ordering import OrderTerm
from ml_workspace_lab.experiments.search.pages import Place
from ml_workspace_lab.experiments.search.reach import Reach
from ml_workspace_lab.experiments.search.sources import Sizes, Source, sources
from ml_workspace_lab.experiments.search.sql import TRUE, Bindings, Dialect
from ml_workspace_lab.storage.database import Queries, Row

ALL = 2**62
"""More runs than there are."""

SHORT = 5000
"""Steps up to which asking row by row beats joining whole tables."""


class Query(Struct, frozen=True):
    """What to look for, where, and in which order; `keys` are the numbers of the names in it."""

    expression: Expression | None
    order: list[OrderTerm]
    reach: Reach
    keys: dict[tuple[str, str], int]
    dialect: Dialect
    sizes: Sizes

    def scope(self) -> Scope:
        return Scope(self.dialect, Bindings(), self.keys)

    def sources(self, parts: Sequence[Expression], queries: Queries) -> list[Source]:
        return sources(parts, queries, self.scope(), self.sizes, self.reach.total)

    @property
    def segments(self) -> list[Segment]:
        return segments(self.order, self.scope())

    @property
    def first(self) -> Term | None:
        return self.order[0].term if self.order else None


def query(
    queries: Queries,
    dialect: Dialect,
    expression: Expression | None,
    order: Sequence[OrderTerm],
    reach: Reach,
    sizes: Sizes,
) -> Query:
    """The query with its names looked up; an order by what no run has is none."""
    keys = _keys(queries, expression, order)
    known = [o for o in order if is_column(o.term) or (o.term.entity, o.term.name) in keys]
    return Query(expression, known, reach, keys, dialect, sizes)


def _keys(
    queries: Queries, expression: Expression | None, order: Sequence[OrderTerm]
) -> dict[tuple[str, str], int]:
    terms = [one.term for one in order]
    if expression is not None:
        terms += [one.term for one in comparisons(expression)]
    names = {(term.entity, term.name) for term in terms if term.entity in KEYED}
    if not names:
        return {}
    bindings = Bindings()
    wanted = " OR ".join(
        f"(kind = {bindings.mark(kind)} AND name = {bindings.mark(name)})"
        for kind, name in sorted(names)
    )
    rows = queries.all(f"SELECT id, kind, name FROM key WHERE {wanted}", **bindings.values)
    return {(row["kind"], row["name"]): row["id"] for row in rows}


def page(
    query: Query, queries: Queries, after: Place | None, limit: int
) -> tuple[list[int], Place | None]:
    """The row ids of the runs that follow a place; the last one's place where more follow."""
    found: list[tuple[int, Row]] = []
    begin = _begin(query, queries, limit)
    start = after.segment if after else 0
    for number, segment in list(enumerate(query.segments))[start:]:
        if _is_empty(query, queries, number, begin):
            continue
        scope = query.scope()
        sql = _statement(query, scope, segment, begin)
        if after and number == after.segment:
            sql += f" AND {beyond(segment, after.values, scope)}"
        sql += _ordered(segment, limit + 1 - len(found))
        found += [(number, row) for row in queries.all(sql, **scope.bindings.values)]
        if len(found) > limit:
            number, row = found[limit - 1]
            values = tuple(row[f"k{i}"] for i in range(len(query.segments[number].keys)))
            return [row["id"] for _, row in found[:limit]], Place(number, values)
    return [row["id"] for _, row in found], None


def every(query: Query, queries: Queries, limit: int | None) -> str:
    """The row ids of all runs in order, as text with commas: a row for each would be slow."""
    parts: list[str] = []
    left = ALL if limit is None else limit
    begin = _begin(query, queries, left)
    for number, segment in enumerate(query.segments):
        if left > 0 and not _is_empty(query, queries, number, begin):
            scope = query.scope()
            inner = _statement(query, scope, segment, begin) + _ordered(segment, left)
            sql = f"SELECT {query.dialect.joined('id')} AS ids FROM ({inner}) found"
            row = queries.one(sql, **scope.bindings.values)
            if row and row["ids"]:
                parts.append(row["ids"])
                left -= row["ids"].count(",") + 1
    return ",".join(parts)


def count(query: Query, queries: Queries) -> int:
    """How many runs there are."""
    if query.expression is None and query.reach.view == "active":
        return query.reach.live
    scope = query.scope()
    parts = conjuncts(query.expression)
    source = next(iter(query.sources(parts, queries)), None)
    conditions: list[str] = []
    if source is not None:
        conditions.append(source.condition(scope))
        scope.run = source.run
    conditions += _rest(parts, source, scope)
    if scope.rows or query.reach.needs_row or source is None:
        tables = _tables(source, "", conditions)
        conditions += query.reach.conditions(scope)
    else:
        tables = f"{source.table} d"
        conditions += query.reach.outside_trash(scope)
    sql = f"SELECT count(*) AS size FROM {tables} WHERE {' AND '.join(conditions) or TRUE}"
    row = queries.one(sql, **scope.bindings.values)
    return int(row["size"]) if row else 0


class Beginning(Struct, frozen=True):
    """Where to begin: at a source, or (None) along the order, few steps as far as is known. `parts`
    are the conditions in the order in which a run is asked: what refuses most of them first."""

    source: Source | None
    parts: Sequence[Expression]
    is_short: bool = False


def _begin(query: Query, queries: Queries, limit: int) -> Beginning:
    """The smallest source, or the order where that meets `limit` runs in fewer steps."""
    parts = conjuncts(query.expression)
    found = query.sources(parts, queries)
    known = [source.comparison for source in found]
    asked = (*known, *(one for one in parts if one not in known))
    if not found or not can_walk(query.order):
        return Beginning(found[0] if found else None, asked)
    total = max(query.reach.total, 1)
    share = prod(source.share(total) for source in found)
    steps = min(total, (limit + 1) / share) if share else total
    if found[0].size < steps:
        return Beginning(found[0], asked)
    return Beginning(None, asked, is_short=steps < SHORT and len(found) == len(parts))


def _is_empty(query: Query, queries: Queries, number: int, begin: Beginning) -> bool:
    """Whether it is easily known that no run lacks the first term, as the last segment's do."""
    if query.first is None or number == 0 or number < len(query.segments) - 1:
        return False
    parts = conjuncts(query.expression)
    if any(isinstance(one, Comparison) and _needs(one, query.first) for one in parts):
        return True
    return begin.source is None and is_nowhere_missing(query.first, queries, query.scope())


def _needs(one: Comparison, term: Term) -> bool:
    same = (one.term.entity, one.term.name) == (term.entity, term.name)
    return same and (one.operator != "NULL" or one.negated)


def _statement(query: Query, scope: Scope, segment: Segment, begin: Beginning) -> str:
    """The runs of a segment, but for where they begin, their order and their number."""
    source = begin.source
    scope.walks = begin.is_short
    conditions = [segment.condition] if segment.condition else []
    if source is not None:
        conditions.append(source.condition(scope))
    along = query.first if segment.begin and source is None else None
    if source is not None or along is not None:
        scope.run = source.run if source else "o.run"
    tables = _tables(source, segment.begin, conditions)
    conditions += query.reach.conditions(scope) + _rest(begin.parts, source, scope, along)
    keys = "".join(f", {key.sql} AS k{index}" for index, key in enumerate(segment.keys))
    where = " AND ".join(conditions) or TRUE
    return f"SELECT r.id AS id{keys} FROM {tables}{joins(query.order, scope)} WHERE {where}"


def _ordered(segment: Segment, limit: int) -> str:
    keys = ", ".join(f"{key.sql} {'DESC' if key.descending else 'ASC'}" for key in segment.keys)
    return f" ORDER BY {keys} LIMIT {limit:d}"


def _tables(source: Source | None, begin: str, conditions: list[str]) -> str:
    """Tables in the order that they are to be read in, with what joins them."""
    tables = [f"{begin} o", "run r"] if begin else ["run r"]
    if source is not None:
        tables = [f"{source.table} d", *reversed(tables)]
        conditions.append(f"r.id = {source.run}")
    if begin:
        conditions.append("o.run = r.id")
    return " CROSS JOIN ".join(tables)


def _rest(
    parts: Sequence[Expression], source: Source | None, scope: Scope, along: Term | None = None
) -> list[str]:
    """Conditions of all parts but the source's; those on the term that is walked along, as `o`."""
    found: list[str] = []
    asked: list[Expression] = []
    for one in parts:
        if isinstance(one, Comparison) and one.term == along and _needs(one, one.term):
            found.append(said(one, "o", scope))
        elif source is None or one is not source.comparison:
            asked.append(one)
    if scope.walks and asked:
        return [*found, successive(asked, scope)]
    return [*found, *(condition(one, scope) for one in asked)]
