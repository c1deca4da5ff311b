"""Where a search can begin: the rows of an index that one of its comparisons selects."""

from collections.abc import Sequence
from math import sqrt

from msgspec import Struct

from ml_workspace_lab.experiments.search.conditions import (
    COLUMNS,
    KEYED,
    Scope,
    said,
    states,
)
from ml_workspace_lab.experiments.search.expression import Comparison, Expression, text
from ml_workspace_lab.experiments.search.sql import Bindings
from ml_workspace_lab.storage.database import Queries

PREFIX = 64
"""Characters of a text that the index of `attribute` holds."""

ENOUGH = 20_000
"""Counting stops here: what selects more is no good place to begin."""

KNOWN = 256

_COLUMNS = ("run_id", "run_name", "parent", "status")


class Source(Struct, frozen=True):
    """A comparison to begin with, and about how many rows it selects."""

    comparison: Comparison
    size: int

    @property
    def table(self) -> str:
        return _table(self.comparison)

    def share(self, total: int) -> float:
        """About which part of `total` runs it selects."""
        known = min(1.0, self.size / total)
        return known if self.size < ENOUGH else sqrt(known)

    @property
    def run(self) -> str:
        """The row id of a run of the table, which is called `d`."""
        return "d.id" if self.table == "run" else "d.run"

    def condition(self, scope: Scope) -> str:
        """What selects the rows."""
        selected = _indexed(self.comparison, scope)
        if _is_exact(self.comparison):
            return selected
        return f"{selected} AND {said(self.comparison, 'd', scope)}"


class Sizes:
    """How many rows comparisons select, as last counted: what is old by a tenth serves as well."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, one: Comparison, queries: Queries, scope: Scope, total: int) -> int:
        """The size of a comparison's source; `total` is how many runs there are."""
        name = text(one)
        then, size = self._known.get(name, (0, 0))
        if abs(total - then) * 10 > total or not then:
            size = _size(one, queries, scope)
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[name] = total, size
        return size


def sources(
    parts: Sequence[Expression], queries: Queries, scope: Scope, sizes: Sizes, total: int
) -> list[Source]:
    """Those of the parts that an index can answer, the one with the fewest rows first."""
    found = [
        Source(one, sizes.of(one, queries, scope, total))
        for one in parts
        if isinstance(one, Comparison) and _can_begin(one, scope)
    ]
    return sorted(found, key=lambda source: source.size)


def _can_begin(one: Comparison, scope: Scope) -> bool:
    if one.term.entity in KEYED:
        missing = one.operator == "NULL" and not one.negated
        return not missing and (one.term.entity, one.term.name) in scope.keys
    attribute = one.term.entity == "attribute" and one.term.name in _COLUMNS
    return attribute and one.operator in ("=", "IN") and not one.negated


def _size(one: Comparison, queries: Queries, scope: Scope) -> int:
    own = Scope(scope.dialect, Bindings(), scope.keys)
    selected = f"SELECT 1 FROM {_table(one)} d WHERE {_indexed(one, own)} LIMIT {ENOUGH}"
    row = queries.one(f"SELECT count(*) AS size FROM ({selected}) found", **own.bindings.values)
    return int(row["size"]) if row else 0


def _is_exact(one: Comparison) -> bool:
    """Whether the index answers all of the comparison."""
    if one.term.entity in ("attribute", "metric") or one.operator not in ("=", "IN"):
        return one.term.entity == "attribute"
    texts = [value for value in one.values if isinstance(value, str)]
    return bool(texts) and not one.negated and all(len(text) < PREFIX for text in texts)


def _table(one: Comparison) -> str:
    if one.term.entity == "attribute":
        return "run"
    return "series" if one.term.entity == "metric" else "attribute"


def _indexed(one: Comparison, scope: Scope) -> str:
    """As much of the comparison as an index answers."""
    if one.term.entity == "attribute":
        values = states(one) if one.term.name == "status" else one.values
        column = COLUMNS[one.term.name].replace("r.", "d.")
        return scope.dialect.among(column, values, scope.bindings)
    key = f"d.key = {scope.bindings.mark(scope.keys[one.term.entity, one.term.name])}"
    if one.negated or one.operator == "NULL" or one.term.function != "last":
        return key
    if one.term.entity == "metric" or not isinstance(one.values[0], str):
        return f"{key} AND {said(one, 'd', scope)}"
    if one.operator in ("=", "IN"):
        beginnings = [str(value)[:PREFIX] for value in one.values]
        beginning = f"substr(d.value, 1, {PREFIX})"
        return f"{key} AND {scope.dialect.among(beginning, beginnings, scope.bindings)}"
    return key
