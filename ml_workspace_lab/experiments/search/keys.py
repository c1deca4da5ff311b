"""What runs are put in order by, in SQL: segments one after the other, each in order of its keys.

Whatever the direction, runs that lack the first term come last, before them those where it is NaN
(for metrics) or no number (for parameters and tags). Within a segment nothing is NULL, and its
first key is the column of an index where there is one.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from ml_workspace_lab.experiments.search.conditions import COLUMNS, Scope, series_column
from ml_workspace_lab.experiments.search.expression import Term
from ml_workspace_lab.experiments.search.ordering import OrderTerm
from ml_workspace_lab.experiments.search.runs import RUNS
from ml_workspace_lab.experiments.search.sources import PREFIX
from ml_workspace_lab.storage.database import Queries

LONG = 255
"""Characters of an attribute that order looks at; of a parameter or tag it is what is indexed."""

_NUMBERS = frozenset(
    one.name for one in RUNS.fields["attribute"].values() if one.kind in ("number", "time")
)
_ALWAYS = ("run_id", "run_name", "number", "status", "kind", "experiment", "user_id", "start_time")


class SortKey(Struct, frozen=True):
    sql: str
    descending: bool
    kind: Literal["whole", "float", "text"]


class Segment(Struct, frozen=True):
    """Runs with `condition` in the order of `keys`; `begin` is a table `o` to walk along."""

    keys: tuple[SortKey, ...]
    condition: str = ""
    begin: str = ""


TIES = (SortKey("r.created", True, "whole"), SortKey("r.id", True, "whole"))


def segments(order: Sequence[OrderTerm], scope: Scope) -> list[Segment]:
    """The segments of an order; runs that it puts level follow each other newest first."""
    if not order:
        return [Segment(TIES)]
    first = order[0]
    rest = tuple(key for index, one in enumerate(order[1:]) for key in _later(one, index, scope))
    found = _attribute(first, scope) if is_column(first.term) else _keyed(first, scope)
    return [
        Segment(_unique((*segment.keys, *rest, *TIES)), segment.condition, segment.begin)
        for segment in found
    ]


def joins(order: Sequence[OrderTerm], scope: Scope) -> str:
    """The tables that later terms are read from."""
    return "".join(
        f" LEFT JOIN {_table(one.term)} o{index} ON o{index}.run = r.id"
        f" AND o{index}.key = {scope.keys[one.term.entity, one.term.name]:d}"
        for index, one in enumerate(order[1:])
        if not is_column(one.term)
    )


def beyond(segment: Segment, values: Sequence[int | float | str], scope: Scope) -> str:
    """That a run comes after the one whose keys are `values`."""
    (sql, sign, mark), *rest = [
        (key.sql, "<" if key.descending else ">", scope.bindings.mark(value))
        for key, value in zip(segment.keys, values, strict=True)
    ]
    after = f"{sql} {sign} {mark}"
    if not rest:
        return f"({after})"
    # No level for each key: SQLite's parser doesn't go that deep.
    cases = " ".join(f"WHEN {k} {s} {m} THEN 1 WHEN {k} <> {m} THEN 0" for k, s, m in rest)
    # The first half is what an index can begin at.
    return f"({sql} {sign}= {mark} AND ({after} OR CASE {cases} ELSE 0 END = 1))"


def can_walk(order: Sequence[OrderTerm]) -> bool:
    """Whether an index has the runs in about this order."""
    if not order:
        return True
    first = order[0].term
    return first.name == "start_time" if is_column(first) else first.function == "last"


def is_nowhere_missing(term: Term, queries: Queries, scope: Scope) -> bool:
    """Whether every run has the term."""
    if is_column(term):
        return False
    key = scope.keys[term.entity, term.name]
    row = queries.one(
        f"SELECT (SELECT count(*) FROM {_table(term)} WHERE key = :key) AS there,"
        " (SELECT count(*) FROM run) AS runs",
        key=key,
    )
    return row is not None and row["there"] == row["runs"]


def is_column(term: Term) -> bool:
    """Whether it is read from the run's own row."""
    return term.entity == "attribute"


def _table(term: Term) -> str:
    return "series" if term.entity == "metric" else "attribute"


def _column(term: Term, scope: Scope) -> str:
    column = COLUMNS[term.name]
    return (
        column if term.name in _NUMBERS else scope.dialect.bytewise(f"substr({column}, 1, {LONG})")
    )


def _attribute(one: OrderTerm, scope: Scope) -> list[Segment]:
    kind: Literal["whole", "text"] = "whole" if one.term.name in _NUMBERS else "text"
    column = COLUMNS[one.term.name]
    keys = (SortKey(_column(one.term, scope), one.descending, kind),)
    if one.term.name in _ALWAYS:
        return [Segment(keys)]
    return [Segment(keys, f"{column} IS NOT NULL"), Segment((), f"{column} IS NULL")]


def _keyed(one: OrderTerm, scope: Scope) -> list[Segment]:
    key = scope.keys[one.term.entity, one.term.name]
    table = _table(one.term)
    there = f"o.key = {key:d} AND "
    missing = Segment(
        (), f"NOT EXISTS (SELECT 1 FROM {table} t WHERE t.run = r.id AND t.key = {key:d})"
    )
    if table == "series":
        column = f"o.{series_column(one.term)}"
        value = SortKey(column, one.descending, "float")
        return [
            Segment((value,), f"{there}{column} IS NOT NULL", table),
            Segment((), f"{there}{column} IS NULL", table),
            missing,
        ]
    number = SortKey("o.number", one.descending, "float")
    beginning = scope.dialect.bytewise(f"substr(o.value, 1, {PREFIX})")
    return [
        Segment((number,), f"{there}o.number IS NOT NULL", table),
        Segment((SortKey(beginning, one.descending, "text"),), f"{there}o.number IS NULL", table),
        missing,
    ]


def _later(one: OrderTerm, index: int, scope: Scope) -> tuple[SortKey, ...]:
    """The keys of a term that is not the first, with what is missing in a key of its own."""
    if is_column(one.term):
        column = _column(one.term, scope)
        kind: Literal["whole", "text"] = "whole" if one.term.name in _NUMBERS else "text"
        nothing = "0" if kind == "whole" else "''"
        return (
            SortKey(
                f"CASE WHEN {COLUMNS[one.term.name]} IS NULL THEN 1 ELSE 0 END", False, "whole"
            ),
            SortKey(f"coalesce({column}, {nothing})", one.descending, kind),
        )
    row = f"o{index}"
    value = f"{row}.{series_column(one.term) if one.term.entity == 'metric' else 'number'}"
    level = f"CASE WHEN {row}.run IS NULL THEN 2 WHEN {value} IS NULL THEN 1 ELSE 0 END"
    keys = (
        SortKey(level, False, "whole"),
        SortKey(f"coalesce({value}, 0)", one.descending, "float"),
    )
    if one.term.entity == "metric":
        return keys
    beginning = f"coalesce(substr({row}.value, 1, {PREFIX}), '')"
    text = f"(CASE WHEN {row}.number IS NULL THEN {beginning} ELSE '' END)"
    return (*keys, SortKey(scope.dialect.bytewise(text), one.descending, "text"))


def _unique(keys: tuple[SortKey, ...]) -> tuple[SortKey, ...]:
    """The keys, each column once."""
    first: dict[str, SortKey] = {}
    for key in keys:
        first.setdefault(key.sql, key)
    return tuple(first.values())
