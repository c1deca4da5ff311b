"""Which runs a comparison matches, kept as bits and brought up to date: for counting many runs.

The database is asked for all runs once; later only for those that have changed since.
"""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from msgspec import Struct

from ml_workspace_lab.experiments.search.conditions import KEYED, condition
from ml_workspace_lab.experiments.search.expression import (
    And,
    Comparison,
    Expression,
    Not,
    Or,
    comparisons,
    text,
)
from ml_workspace_lab.experiments.search.query import Query
from ml_workspace_lab.experiments.search.sql import TRUE
from ml_workspace_lab.storage.database import Queries

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits = NDArray[np.bool_]

MANY = 5000
"""Below so many runs the database counts as quickly."""

KEPT = 64


class _Answer(Struct, frozen=True):
    """By row id whether a run matches, as of the event `mark`."""

    mark: int
    bits: "Bits"


class Answers:
    """The answers to the last comparisons that were counted."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, query: Query, queries: Queries) -> int | None:
        """How many runs the query matches; None where that is not for bits to say."""
        expression = query.expression
        if expression is None or query.reach.view != "active" or query.reach.total < MANY:
            return None
        if any(one.term.entity not in KEYED for one in comparisons(expression)):
            return None  # a change of what else there is need not be a change of the run
        # Two questions: SQLite looks up the end of an index for a single maximum alone.
        row = queries.one(
            "SELECT (SELECT max(id) FROM run) AS id, (SELECT max(changed) FROM run) AS mark"
        )
        if row is None or row["id"] is None:
            return 0
        present = _Present(queries, query, row["id"] + 1, row["mark"])
        live = self._live(present)
        return int((live & self._matching(expression, present)).sum())

    def _live(self, present: "_Present") -> "Bits":
        reach = present.query.reach
        where = " AND ".join(reach.conditions(present.query.scope()))
        bits = self._answer(f"live {where}", where, present)
        if int(bits.sum()) != reach.live:  # a run was purged since, and can't tell of it
            with self._lock:
                self._kept.clear()
            bits = self._answer(f"live {where}", where, present)
        return bits

    def _matching(self, expression: Expression, present: "_Present") -> "Bits":
        match expression:
            case And(parts):
                first, *rest = (self._matching(part, present) for part in parts)
                for bits in rest:
                    first = first & bits
                return first
            case Or(parts):
                first, *rest = (self._matching(part, present) for part in parts)
                for bits in rest:
                    first = first | bits
                return first
            case Not(part):
                return ~self._matching(part, present)
            case Comparison():
                return self._answer(text(expression), expression, present)

    def _answer(self, name: str, asked: Comparison | str, present: "_Present") -> "Bits":
        import numpy as np

        with self._lock:
            known = self._kept.pop(name, None)
        if known is not None and known.mark <= present.mark:
            bits = np.zeros(present.size, np.bool_)
            both = min(present.size, len(known.bits))
            bits[:both] = known.bits[:both]
            bits[present.ids(TRUE, known.mark)] = False
            bits[present.ids(asked, known.mark)] = True
        else:
            bits = np.zeros(present.size, np.bool_)
            bits[present.ids(asked, None)] = True
        with self._lock:
            self._kept[name] = _Answer(present.mark, bits)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return bits


class _Present(Struct):
    """The database as it is, for one count."""

    queries: Queries
    query: Query
    size: int
    mark: int

    def ids(self, asked: Comparison | str, since: int | None) -> "NDArray[np.int64]":
        """The row ids of runs that match; `since` leaves out those that have not
        changed with that event or later."""
        import numpy as np

        scope = self.query.scope()
        changed = "" if since is None else f" AND r.changed >= {since:d}"
        if isinstance(asked, str):
            inner = f"SELECT r.id AS id FROM run r WHERE {asked}{changed}"
        elif since is None and (found := self.query.sources([asked], self.queries)):
            begin = found[0]
            inner = f"SELECT d.run AS id FROM {begin.table} d WHERE {begin.condition(scope)}"
        else:
            inner = f"SELECT r.id AS id FROM run r WHERE {condition(asked, scope)}{changed}"
        row = self.queries.one(
            f"SELECT {self.query.dialect.joined('id')} AS ids FROM ({inner}) found",
            **scope.bindings.values,
        )
        return np.fromstring((row["ids"] if row else None) or "", np.int64, sep=",")
