"""A table that grows row by row, each row kept before the next one is taken."""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.client.tables import joined, table_json
from ml_workspace_lab.client.values import scalar
from ml_workspace_lab.experiments.ids import new_id

PART_ROWS = 128
_PART = re.compile(r"[0-9a-f]{32}\.json")

Row = dict[str, list[Scalar]]


class GrowingTable:
    """The rows that one process adds to a table.

    They are kept in parts of 128 rows: a row costs no more in a long table than in a short one, and
    as each process writes parts of its own, none overwrites another's rows.
    """

    def __init__(self, name: str, keep: Callable[[str, bytes], None]) -> None:
        self._name = name
        self._keep = keep
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._part = new_id()

    def append(self, row: Mapping[str, Any], description: str) -> None:
        """Keep one more row. Raises InvalidInput on a cell that can't be kept; none of it is."""
        cells = {name: [scalar(value, name)] for name, value in row.items()}
        with self._lock:
            if len(self._rows) == PART_ROWS:
                self._rows, self._part = [], new_id()
            rows = [*self._rows, cells]
            path = f"{folder(self._name)}{self._part}.json"
            self._keep(path, table_json(joined(rows), description))
            self._rows = rows

    def restart(self, replace: Callable[[], None]) -> None:
        """Put another table in the place of this one, while no row is added here; later rows begin
        a part of their own."""
        with self._lock:
            replace()
            self._rows, self._part = [], new_id()


def folder(name: str) -> str:
    return f"tables/{name}/"


def parts_of(name: str, paths: Iterable[str]) -> list[str]:
    """Those of the paths that hold rows of the table, oldest part first."""
    start = folder(name)
    return sorted(
        path for path in paths if path.startswith(start) and _PART.fullmatch(path[len(start) :])
    )
