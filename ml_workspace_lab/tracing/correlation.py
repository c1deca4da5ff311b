"""How much two filters of traces have to do with each other."""

import math

from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.sql import Bindings, dialect
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.tracing.figures_model import CorrelateTraces, TraceCorrelation
from ml_workspace_lab.tracing.search import among, matching

SMOOTHING = 0.5
"""What Jeffreys' prior adds to each count."""


def of_filters(database: Database, asked: CorrelateTraces) -> TraceCorrelation:
    way, bindings = dialect(database), Bindings()
    first, second = (
        matching(way, bindings, text, field)
        for text, field in ((asked.first, "first"), (asked.second, "second"))
    )
    wanted = among(database, bindings, asked.experiments)
    base = matching(way, bindings, asked.filter, "filter")
    each = (first, second, f"{first} AND {second}")
    counts = ", ".join(
        f"coalesce(sum(CASE WHEN {one} THEN 1 ELSE 0 END), 0) AS n{at}"
        for at, one in enumerate(each)
    )
    with in_time(database) as queries:
        row = queries.one(
            f"SELECT count(*) AS n, {counts} FROM trace x WHERE {wanted} AND {base}",  # noqa: S608
            **bindings.values,
        )
    assert row is not None
    total, one, two, both = (int(row[name]) for name in ("n", "n0", "n1", "n2"))
    cells = (both, one - both, two - both, total - one - two + both)
    return TraceCorrelation(total, one, two, both, npmi(*cells), npmi(*cells, smoothing=SMOOTHING))


def npmi(both: int, first: int, second: int, neither: int, smoothing: float = 0) -> float | None:
    """Normalized pointwise mutual information of two events, from how often both happen, each
    alone, and neither. None where one never happens."""
    if both + first == 0 or both + second == 0:
        return None
    if both and not (first or second or neither):
        return 1.0
    if not both and not smoothing:
        return -1.0
    met = both + smoothing
    total = both + first + second + neither + 4 * smoothing
    chances = (met + first + smoothing) * (met + second + smoothing)
    mutual = math.log(met * total) - math.log(chances)
    return max(-1.0, min(1.0, mutual / math.log(total / met)))
