"""The columns of all runs in a file, so that a table of them needs no reading of documents.

The file is a copy that may be lost: one that is damaged, of another workspace, or of a time that
the database no longer knows is made anew.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.experiments.search.columns import (
    Column,
    Columns,
    Key,
    Kind,
    changed_since,
    joined,
)
from ml_workspace_lab.storage.database import Queries
from ml_workspace_lab.storage.files import write_atomic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "runs.arrow"
FEW = 1000
"""So many runs are read from their documents at any time."""

STALE = 10
"""The file is written anew when one part in so many of its runs has changed."""

_FORMS = ("whole", "float", "text")


class Mark(Struct, frozen=True):
    """The event up to which a snapshot goes, so that one of another history is known."""

    workspace: str = ""
    event: int = 0
    time: int = 0
    subject: str = ""
    version: int = 1


class Snapshot(Struct, frozen=True):
    """The columns of all runs as of a mark, and how many of the runs are not so in the file."""

    mark: Mark = Mark()
    columns: Columns = field(default_factory=dict)
    unwritten: int = 0

    @property
    def size(self) -> int:
        """How many runs are in it."""
        ids = self.columns.get(("run", "uid"))
        return len(ids.runs) if ids else 0

    @property
    def is_due(self) -> bool:
        """Whether the file is too old to be worth reading again."""
        return self.unwritten > max(FEW, self.size // STALE)


def present_mark(queries: Queries) -> Mark:
    """The mark of the newest change of a run."""
    workspace = queries.one("SELECT uid FROM workspace")
    newest = queries.one("SELECT coalesce(max(changed), 0) AS id FROM run")
    return _mark(queries, workspace["uid"] if workspace else "", newest["id"] if newest else 0)


def is_past(mark: Mark, queries: Queries) -> bool:
    """Whether the mark is of an event of this database."""
    return mark == _mark(queries, present_mark(queries).workspace, mark.event)


def read(path: Path) -> Snapshot:
    """The snapshot in the file; an empty one where there is none, or it is damaged."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            mark = msgspec.json.decode(reader.schema.metadata[b"mark"], type=Mark)
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        return Snapshot(mark, dict(_loaded(batch) for batch in batches))
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException, msgspec.MsgspecError):
        return Snapshot()


def write(snapshot: Snapshot, path: Path) -> None:
    import pyarrow as pa

    schema = _schema().with_metadata({"mark": msgspec.json.encode(snapshot.mark)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        for key, column in snapshot.columns.items():
            writer.write_batch(_batch(key, column, schema))
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomic(path, sink.getvalue().to_pybytes())


def refreshed(snapshot: Snapshot, queries: Queries) -> tuple[Snapshot, Columns]:
    """A snapshot that the database knows, and the columns of runs that have changed since; where
    these are many, they are part of it already."""
    mark = present_mark(queries)
    if not is_past(snapshot.mark, queries):
        snapshot = Snapshot()
    added = changed_since(queries, snapshot.mark.event)
    ids = added.get(("run", "uid"))
    if ids is None or len(ids.runs) <= FEW:
        return snapshot, added
    found = joined(snapshot.columns, _gone(snapshot, ids.runs, queries), added)
    return Snapshot(mark, found, snapshot.unwritten + len(ids.runs)), {}


def _gone(
    snapshot: Snapshot, replaced: "NDArray[np.int64]", queries: Queries
) -> "NDArray[np.bool_]":
    """By row id: whether a run is replaced, or no longer there."""
    import numpy as np

    runs = [replaced, *(column.runs for column in snapshot.columns.values())]
    gone = np.ones(1 + max((int(one.max()) for one in runs if len(one)), default=0), np.bool_)
    there = [row["id"] for row in queries.all("SELECT id FROM run")]
    gone[[run for run in there if run < len(gone)]] = False
    gone[replaced] = True
    return gone


def _mark(queries: Queries, workspace: str, event: int) -> Mark:
    row = queries.one("SELECT time, subject FROM event WHERE id = :event", event=event)
    return Mark(workspace, event, row["time"], row["subject"]) if row else Mark(workspace, event)


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        {
            "kind": pa.string(),
            "name": pa.string(),
            "runs": pa.large_list(pa.int64()),
            "whole": pa.large_list(pa.int64()),
            "float": pa.large_list(pa.float64()),
            "text": pa.large_list(pa.large_string()),
        }
    )


def _batch(key: Key, column: Column, schema: Any) -> Any:
    import pyarrow as pa

    values = {
        form: column.values if column.values.type == schema.field(form).type.value_type else None
        for form in _FORMS
    }
    lists = [pa.array(column.runs), *values.values()]
    arrays = [pa.array([word]) for word in key]
    for each, one in zip(schema.names[2:], lists, strict=True):
        kind = schema.field(each).type
        arrays.append(
            pa.nulls(1, kind)
            if one is None
            else pa.LargeListArray.from_arrays(pa.array([0, len(one)], pa.int64()), one)
        )
    return pa.record_batch(arrays, schema=schema)


def _loaded(batch: Any) -> tuple[Key, Column]:
    # Lengths and places in the file are checked before anything is read by them.
    batch.validate(full=True)
    kind, name = batch["kind"][0].as_py(), batch["name"][0].as_py()
    runs = batch["runs"].flatten()
    values = next(batch[form].flatten() for form in _FORMS if batch[form].null_count == 0)
    if len(runs) != len(values) or (len(runs) and runs.to_numpy().min() < 0):
        raise ValueError("a column of the snapshot is damaged")
    return (cast(Kind, kind), name), Column(runs.to_numpy(), values)
