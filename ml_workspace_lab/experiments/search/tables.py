"""Tables of runs for those who ask: from documents where they are few, else from a snapshot."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import structs

from ml_workspace_lab.errors import InvalidInput, StorageFull
from ml_workspace_lab.experiments.search import columns, frame, snapshot
from ml_workspace_lab.experiments.search.query import Query, every
from ml_workspace_lab.experiments.search.snapshot import Snapshot
from ml_workspace_lab.storage.database import Reading


class Tables:
    """Makes tables, and keeps the snapshot of a workspace in memory and in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: Snapshot | None = None

    def table(self, query: Query, queries: Reading, limit: int | None) -> Any:
        """An Arrow table of the runs of a query, in order."""
        np = _numpy()
        ids = np.fromstring(every(query, queries, limit), np.int64, sep=",")
        queries.take_time()  # the limit is for finding: a first table of many runs reads them all
        rows = queries.all("SELECT id, name FROM experiment")
        names = {row["id"]: row["name"] for row in rows}
        if len(ids) <= snapshot.FEW:
            return frame.table(ids, columns.of_runs(queries, ids.tolist()), {}, names)
        self._kept, added = snapshot.refreshed(self._kept or snapshot.read(self._path), queries)
        return frame.table(ids, self._kept.columns, added, names)

    def tidy(self) -> None:
        """Write the snapshot where the file is too old; without one all tables are whole, too."""
        kept = self._kept
        if kept is not None and kept.is_due:
            with suppress(StorageFull, OSError):
                snapshot.write(kept, self._path)
            self._kept = structs.replace(kept, unwritten=0)


def stream(table: Any) -> Any:
    """The table in Arrow's IPC format, as a file to read from."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return pa.BufferReader(sink.getvalue())


def _numpy() -> Any:
    try:
        import numpy as np
        import pyarrow  # noqa: F401 - to know now
    except ImportError:
        raise InvalidInput(
            "Tables of runs need pyarrow where the workspace is.",
            hint="pip install 'ml_workspace_lab[tables]'",
        ) from None
    return np
