"""A table of runs from columns: one row for each run, in the order that was asked for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.experiments.search.columns import Columns, Key, form

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]

_RUN = {
    "run_id": "uid",
    "experiment": "experiment",
    "number": "number",
    "display_name": "display_name",
    "state": "state",
    "kind": "kind",
    "user": "user",
    "created": "created",
    "started": "started",
    "ended": "ended",
    "parent": "parent",
    "compute_target": "compute_target",
    "notebook": "notebook",
    "description": "description",
}
"""The first columns of a table, and where they come from."""

_TIMES = ("created", "started", "ended")


def table(ids: "Ids", base: Columns, added: Columns, experiments: Mapping[int, str]) -> Any:
    """An Arrow table: run_id, experiment, … and `metrics.*`, `params.*`, `tags.*` of those names
    that any of the runs has. Columns of `added` stand for their runs in place of those of `base`.
    """
    import pyarrow as pa

    layers = _layers(ids, base, added)
    found: dict[str, Any] = {}
    for name, column in _RUN.items():
        values = _dense(("run", column), len(ids), layers)
        found[name] = _shown(name, values, experiments)
    for kind, plural in (("metric", "metrics"), ("param", "params"), ("tag", "tags")):
        for key in sorted(key for key in {*base, *added} if key[0] == kind):
            values = _dense(key, len(ids), layers)
            if values.null_count < len(ids):
                found[f"{plural}.{key[1]}"] = values
    return pa.table(found)


def _layers(ids: "Ids", base: Columns, added: Columns) -> list[tuple[Columns, "Ids"]]:
    """Each set of columns with the place of each run in the table by its row id, -1 for none."""
    import numpy as np

    uids = [layer["run", "uid"].runs for layer in (base, added) if ("run", "uid") in layer]
    places = np.full(1 + max((int(one.max()) for one in (ids, *uids) if len(one)), default=0), -1)
    places[ids] = np.arange(len(ids))
    if ("run", "uid") not in added:
        return [(base, places)]
    still = places.copy()
    still[added["run", "uid"].runs] = -1
    return [(base, still), (added, places)]


def _dense(key: Key, size: int, layers: Sequence[tuple[Columns, "Ids"]]) -> Any:
    """The values of a column for each row of the table, null where a run has none."""
    import numpy as np
    import pyarrow as pa

    parts, taken = [], np.full(size, -1)
    offset = 0
    for columns, places in layers:
        if (column := columns.get(key)) is None:
            continue
        rows = places[column.runs]
        if len(layers) == 1 and np.array_equal(rows, np.arange(size)):
            return column.values
        there = np.flatnonzero(rows >= 0)
        taken[rows[there]] = there + offset
        parts.append(column.values)
        offset += len(column.values)
    if not parts:
        return pa.nulls(size, form(key))
    values = parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
    return values.take(pa.array(taken, mask=taken < 0))


def _shown(name: str, values: Any, experiments: Mapping[int, str]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name in _TIMES:
        return values.cast(pa.timestamp("ms", tz="UTC"))
    if name == "experiment":
        at = pc.index_in(values, pa.array(list(experiments), pa.int64()))
        return pa.array(list(experiments.values()), pa.large_string()).take(at)
    return values
