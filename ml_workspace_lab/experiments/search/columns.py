"""Runs as columns: for each attribute, metric, parameter and tag the runs that have it.

Columns are sparse: workspaces have many names that few runs share.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.types import Number, Scalar
from ml_workspace_lab.experiments.documents import attribute_of, text
from ml_workspace_lab.storage.database import Queries, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 2000
Kind = Literal["run", "metric", "param", "tag"]
Key = tuple[Kind, str]

WHOLE = ("experiment", "number", "created", "started", "ended")
TEXTS = (
    "uid", "display_name", "state", "kind", "user", "parent", "compute_target", "notebook",
    "description",
)  # fmt: skip

_SELECTED = ", ".join(f'r."{name}"' for name in ("id", "doc", *WHOLE, *TEXTS))


class Column(Struct, frozen=True):
    """The row ids of runs, and the value of each: an Arrow array of int64, float64 or text."""

    runs: "NDArray[np.int64]"
    values: Any


Columns = Mapping[Key, Column]


class _Metric(Struct, gc=False):
    last: Number


class _Document(Struct):
    """As much of a run's document as a table shows."""

    params: dict[str, Scalar] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, _Metric] = field(default_factory=dict)
    large: list[str] = field(default_factory=list)


_decoder = msgspec.msgpack.Decoder(_Document)


def changed_since(queries: Queries, mark: int) -> Columns:
    """The columns of all runs whose last change came with the event `mark` or later: several may
    share it."""
    rows = queries.all("SELECT id FROM run WHERE changed >= :mark", mark=mark)
    return of_runs(queries, sorted(row["id"] for row in rows))


def of_runs(queries: Queries, ids: Sequence[int]) -> Columns:
    """The columns of these runs, in their order."""
    gathered = _Gathered()
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        listed = ", ".join(f"{run:d}" for run in some)
        found = queries.all(f"SELECT {_SELECTED} FROM run r WHERE r.id IN ({listed})")
        rows = {row["id"]: row for row in found}
        gathered.add(queries, [rows[run] for run in some if run in rows])
    return gathered.columns()


def joined(base: Columns, replaced: "NDArray[np.bool_]", added: Columns) -> Columns:
    """The columns without the runs that `replaced` (by row id) says, and with those added."""
    import numpy as np
    import pyarrow as pa

    found = dict(added)
    for key, column in base.items():
        stays = ~replaced[column.runs]
        kept = Column(column.runs[stays], column.values.filter(pa.array(stays)))
        if key in added:
            runs = np.concatenate([kept.runs, added[key].runs])
            kept = Column(runs, pa.concat_arrays([kept.values, added[key].values]))
        if len(kept.runs):
            found[key] = kept
    return found


class _Gathered:
    """Runs and values of each column, as they are found."""

    def __init__(self) -> None:
        self._found: dict[Kind, defaultdict[str, tuple[list[int], list[Any]]]] = {
            kind: defaultdict(lambda: ([], [])) for kind in get_args(Kind)
        }

    def add(self, queries: Queries, rows: Sequence[Row]) -> None:
        documents = [_decoder.decode(row["doc"]) for row in rows]
        own, metrics, params, tags = self._found.values()
        for row, document in zip(rows, documents, strict=True):
            run = row["id"]
            if document.large:
                _fill(queries, run, document)
            # Dozens of values for each of thousands of runs: a call for each would take as long.
            for name in (*WHOLE, *TEXTS):
                if (value := row[name]) is not None:
                    runs, values = own[name]
                    runs.append(run)
                    values.append(value)
            for name, metric in document.metrics.items():
                runs, values = metrics[name]
                runs.append(run)
                values.append(float(metric.last))
            for name, param in document.params.items():
                runs, values = params[name]
                runs.append(run)
                values.append(text(param))
            for name, tag in document.tags.items():
                runs, values = tags[name]
                runs.append(run)
                values.append(tag)

    def columns(self) -> Columns:
        return {
            (kind, name): _column((kind, name), *lists)
            for kind, found in self._found.items()
            for name, lists in found.items()
        }


def _fill(queries: Queries, run: int, document: _Document) -> None:
    """Put in the long values that a document leaves out, as text."""
    left_out = {attribute_of(mark) for mark in document.large}
    rows = queries.all(
        "SELECT k.kind, k.name, a.value FROM attribute a JOIN key k ON k.id = a.key"
        " WHERE a.run = :run",
        run=run,
    )
    for row in rows:
        if (row["kind"], row["name"]) in left_out:
            if row["kind"] == "param":
                document.params[row["name"]] = row["value"]
            elif row["kind"] == "tag":
                document.tags[row["name"]] = row["value"]


def form(key: Key) -> Any:
    """The Arrow type of a column's values."""
    import pyarrow as pa

    kind, name = key
    if kind == "run" and name in WHOLE:
        return pa.int64()
    return pa.float64() if kind == "metric" else pa.large_string()


def _column(key: Key, runs: list[int], values: list[Any]) -> Column:
    import numpy as np
    import pyarrow as pa

    return Column(np.array(runs, np.int64), pa.array(values, form(key)))
