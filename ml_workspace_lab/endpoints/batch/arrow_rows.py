"""Rows of Parquet and Arrow files."""

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ml_workspace_lab.endpoints.batch.formats import Reader, Survey
from ml_workspace_lab.endpoints.batch.model import MiniBatch
from ml_workspace_lab.endpoints.batch.values import Block, ColumnKind, Kinds
from ml_workspace_lab.errors import InvalidInput

MAGIC = b"ARROW1"
KEPT = 2
"""Pieces of a file that are kept: a mini-batch may lie in two, and the next one in the second."""


def open_reader(path: Path) -> Reader:
    """Raises InvalidInput where the file is damaged, or no such file."""
    try:
        return _Tables(
            path, _ParquetFile(path) if path.suffix.lower() == ".parquet" else _arrow(path)
        )
    except (pyarrow.ArrowException, OSError) as error:
        raise InvalidInput(f"input: {path.name} can't be read: {error}.", field="input") from None


class _ParquetFile:
    def __init__(self, path: Path) -> None:
        self._file = pyarrow.parquet.ParquetFile(path)
        self.schema = self._file.schema_arrow
        groups = range(self._file.metadata.num_row_groups)
        self.lengths = [self._file.metadata.row_group(group).num_rows for group in groups]

    def piece(self, number: int) -> Any:
        return self._file.read_row_group(number)


class _ArrowFile:
    def __init__(self, path: Path) -> None:
        self._file = pyarrow.ipc.open_file(pyarrow.memory_map(str(path)))
        self.schema = self._file.schema
        batches = range(self._file.num_record_batches)
        self.lengths = [self._file.get_batch(batch).num_rows for batch in batches]

    def piece(self, number: int) -> Any:
        return pyarrow.Table.from_batches([self._file.get_batch(number)])


class _ArrowStream:
    def __init__(self, path: Path) -> None:
        with pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))) as stream:
            self._table = stream.read_all()
        self.schema = self._table.schema
        self.lengths = [self._table.num_rows]

    def piece(self, number: int) -> Any:  # noqa: ARG002 - there is one
        return self._table


def _arrow(path: Path) -> "_ArrowFile | _ArrowStream":
    with path.open("rb") as file:
        is_file = file.read(len(MAGIC)) == MAGIC
    return _ArrowFile(path) if is_file else _ArrowStream(path)


class _Tables:
    """Reads a file that consists of pieces of rows."""

    def __init__(self, path: Path, file: "_ParquetFile | _ArrowFile | _ArrowStream") -> None:
        self._path = path
        self._file = file
        self._ends = list(accumulate(file.lengths))
        self._piece = lru_cache(KEPT)(file.piece)

    def survey(self, size: int) -> Survey:
        schema = self._file.schema
        if len(set(schema.names)) < len(schema.names):
            raise InvalidInput(f"input: {self._path.name} names a column twice.", field="input")
        kinds: Kinds = {field.name: _kind(field.type) for field in schema}
        rows = self._ends[-1] if self._ends else 0
        return Survey(kinds, rows, [0] * -(-rows // size))

    def read(self, part: MiniBatch, kinds: Kinds) -> Block:  # noqa: ARG002 - the file has its own
        try:
            table = self._rows(part.first, part.first + part.rows)
        except (pyarrow.ArrowException, OSError) as error:
            raise InvalidInput(
                f"input: {self._path.name} can't be read: {error}.", field="input"
            ) from None
        columns = {name: _array(table.column(name)) for name in table.column_names}
        return Block(list(range(part.first, part.first + part.rows)), columns)

    def _rows(self, first: int, end: int) -> Any:
        found = []
        number = bisect_right(self._ends, first)
        while first < end:
            start = self._ends[number] - self._file.lengths[number]
            until = min(end, self._ends[number])
            found.append(self._piece(number).slice(first - start, until - first))
            first, number = until, number + 1
        return pyarrow.concat_tables(found)


def _array(column: Any) -> Any:
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.to_numpy()


def _kind(kind: Any) -> ColumnKind:
    types = pyarrow.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind):
        return "int"
    if types.is_floating(kind):
        return "float"
    if types.is_boolean(kind):
        return "bool"
    return "text" if types.is_string(kind) or types.is_large_string(kind) else "any"
