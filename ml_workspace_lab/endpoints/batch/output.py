"""What a batch leaves: predictions in the order of the input, the rows that failed, a summary."""

import csv
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from ml_workspace_lab.endpoints.batch.finished import Finished
from ml_workspace_lab.endpoints.batch.kinds import as_kind, wider
from ml_workspace_lab.endpoints.batch.model import Content, Kind
from ml_workspace_lab.endpoints.batch.plan import Plan

PARQUET = "predictions.parquet"
CSV = "predictions.csv"
ERRORS = "errors.csv"
SUMMARY = "summary.json"
OF_PLACE: dict[str, Kind] = {"file": "text", "row": "int"}
"""The columns that come first: the file's name, and the row's number in it, from 0."""
ROWS_AT_ONCE = 65_536
_CONTENT = msgspec.msgpack.Decoder(Content)


class SummaryOfFile(msgspec.Struct, frozen=True):
    file: str
    rows: int
    failed_rows: int


class Summary(msgspec.Struct, frozen=True):
    """What became of the rows."""

    model: str
    rows: int
    failed_rows: int
    mini_batches: int
    files: list[SummaryOfFile]


def write(plan: Plan, finished: Finished, folder: Path, *, with_predictions: bool) -> list[Path]:
    """Write it below `folder`; the files."""
    for name in (PARQUET, CSV, ERRORS, SUMMARY):
        (folder / name).unlink(missing_ok=True)
    made = [_write_summary(plan, finished, folder / SUMMARY)]
    if finished.failed:
        made.append(write_errors(plan, finished, folder / ERRORS))
    if with_predictions:
        made.append(_write_predictions(plan, finished, folder))
    return made


def write_errors(plan: Plan, finished: Finished, path: Path) -> Path:
    """The rows that failed, each with its file and the reason."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*OF_PLACE, "reason"])
        for number, done in finished.in_order():
            name = _file_of(plan, number)
            for row, reason in _CONTENT.decode(done.content).failures if done.failed else ():
                writer.writerow([name, row, reason])
    return path


def _write_summary(plan: Plan, finished: Finished, path: Path) -> Path:
    failed = [0] * len(plan.basis.files)
    for number, done in finished.in_order():
        failed[plan.parts[number].file] += done.failed
    files = [
        SummaryOfFile(file.name, file.rows, count)
        for file, count in zip(plan.basis.files, failed, strict=True)
    ]
    summary = Summary(plan.basis.model, plan.rows, sum(failed), len(plan.parts), files)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    return path


def _write_predictions(plan: Plan, finished: Finished, folder: Path) -> Path:
    kinds = dict(OF_PLACE)
    for name, kind in _columns(finished).items():
        kinds[_place_of(name)] = kind
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        path = folder / CSV
        table: _Table = _CsvTable(path, kinds)
    else:
        path = folder / PARQUET
        table = _ParquetTable(path, kinds)
    with table:
        for number, done in finished.in_order():
            content = _CONTENT.decode(done.content)
            count = len(content.rows)
            given: dict[str, list[Any]] = {
                "file": [_file_of(plan, number)] * count,
                "row": content.rows,
            }
            for (name, kind), values in zip(done.columns, content.values, strict=True):
                place = _place_of(name)
                given[place] = as_kind(values, kind, kinds[place])
            table.add([given.get(name) or [None] * count for name in kinds])
    return path


def _columns(finished: Finished) -> dict[str, Kind]:
    """The columns of all predictions, in the order in which they come up."""
    kinds: dict[str, Kind] = {}
    for _, done in finished.in_order():
        for name, kind in done.columns:
            kinds[name] = wider(kinds[name], kind) if name in kinds else kind
    return kinds


def _place_of(name: str) -> str:
    return f"prediction_{name}" if name in OF_PLACE else name


def _file_of(plan: Plan, number: int) -> str:
    return plan.basis.files[plan.parts[number].file].name


class _Table(AbstractContextManager["_Table"]):
    """A table on its way to a file, some rows at a time."""

    @abstractmethod
    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Rows, as columns."""

    def __enter__(self) -> Self:
        return self


class _CsvTable(_Table):
    def __init__(self, path: Path, kinds: dict[str, Kind]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8", errors="backslashreplace")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(kinds)

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        self._writer.writerows(zip(*columns, strict=True))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


class _ParquetTable(_Table):
    def __init__(self, path: Path, kinds: dict[str, Kind]) -> None:
        import pyarrow
        import pyarrow.parquet

        types = {
            "none": pyarrow.null(),
            "bool": pyarrow.bool_(),
            "int": pyarrow.int64(),
            "float": pyarrow.float64(),
            "text": pyarrow.string(),
            "json": pyarrow.string(),
        }
        self._arrow = pyarrow
        self._schema = pyarrow.schema([(name, types[kind]) for name, kind in kinds.items()])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)
        self._batches: list[Any] = []
        self._rows = 0

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        arrays = [
            self._arrow.array(values, field.type)
            for values, field in zip(columns, self._schema, strict=True)
        ]
        self._batches.append(self._arrow.record_batch(arrays, schema=self._schema))
        self._rows += len(columns[0])
        if self._rows >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._batches:
            table = self._arrow.Table.from_batches(self._batches)
            self._writer.write_table(table, row_group_size=len(table) or None)
            self._batches, self._rows = [], 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()
