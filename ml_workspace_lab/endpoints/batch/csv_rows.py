"""Rows of CSV files with a header: each mini-batch can be read by itself, from the byte where it
begins."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.endpoints.batch.formats import Survey, changed
from ml_workspace_lab.endpoints.batch.model import MiniBatch
from ml_workspace_lab.endpoints.batch.values import (
    Block,
    ColumnKind,
    Kinds,
    block,
    joined,
    kind_of_text,
)
from ml_workspace_lab.errors import InvalidInput

MAX_FIELD = 16 * 1024 * 1024
BOM = b"\xef\xbb\xbf"


class CsvReader:
    """Reads a CSV file (`.tsv`: with tabs) in UTF-8. A row that has another number of fields than
    the header, or is not UTF-8, is bad; an empty field is a missing value, an empty line none."""

    def __init__(self, path: Path) -> None:
        csv.field_size_limit(MAX_FIELD)
        self._path = path
        self._delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        with path.open("rb") as file:
            records = _Records(file, self._delimiter)
            self.names = next(iter(records), [])
            self._start = records.offset
        if not self.names:
            raise InvalidInput(f"input: {path.name} has no header.", field="input")
        if any(_is_no_text(name) for name in self.names):
            raise InvalidInput(f"input: the header of {path.name} is not UTF-8.", field="input")
        if len(set(self.names)) < len(self.names):
            raise InvalidInput(f"input: {path.name} names a column twice.", field="input")

    def survey(self, size: int) -> Survey:
        kinds: list[ColumnKind] = ["none"] * len(self.names)
        offsets, rows = [], 0
        with self._path.open("rb") as file:
            for offset, record in _Records(file, self._delimiter, self._start).rows():
                if rows % size == 0:
                    offsets.append(offset)
                rows += 1
                if len(record) != len(kinds):
                    continue
                for place, text in enumerate(record):
                    if kinds[place] != "text" and text:
                        kinds[place] = joined(kinds[place], kind_of_text(text), as_text=True)
        return Survey(dict(zip(self.names, kinds, strict=True)), rows, offsets)

    def read(self, part: MiniBatch, kinds: Kinds) -> Block:
        numbers, records, bad = [], [], []
        with self._path.open("rb") as file:
            found = _Records(file, self._delimiter, part.offset).rows()
            for number in range(part.first, part.first + part.rows):
                _, record = next(found, (0, None))
                if record is None:
                    raise changed(self._path)
                if trouble := self._trouble(record):
                    bad.append((number, trouble))
                else:
                    numbers.append(number)
                    records.append(record)
        columns = zip(*records, strict=True) if records else ([] for _ in self.names)
        return block(numbers, dict(zip(self.names, columns, strict=True)), kinds, bad)

    def _trouble(self, record: list[str]) -> str:
        if len(record) != len(self.names):
            return f"has {len(record)} fields for {len(self.names)} columns"
        for name, text in zip(self.names, record, strict=True):
            if _is_no_text(text):
                return f"column {name!r}: is not UTF-8"
        return ""


def _is_no_text(text: str) -> bool:
    """Whether there are bytes that are not UTF-8."""
    return not text.isascii() and any("\udc80" <= char <= "\udcff" for char in text)


class _Records:
    """The records of a file from a byte on; `offset` is where the next one begins."""

    def __init__(self, file: BinaryIO, delimiter: str, offset: int = 0) -> None:
        self._file = file
        self._delimiter = delimiter
        self.offset = offset

    def __iter__(self) -> Iterator[list[str]]:
        self._file.seek(self.offset)
        try:
            yield from csv.reader(self._lines(), delimiter=self._delimiter)
        except csv.Error as error:
            raise InvalidInput(f"input: {self._file.name}: {error}.", field="input") from None

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The records that are not empty, each with the byte where it begins."""
        begin = self.offset
        for record in self:
            if record:
                yield begin, record
            begin = self.offset

    def _lines(self) -> Iterator[str]:
        for line in self._file:
            if not self.offset and line.startswith(BOM):
                self.offset = len(BOM)
                line = line.removeprefix(BOM)
            self.offset += len(line)
            yield line.decode("utf-8", "surrogateescape")
