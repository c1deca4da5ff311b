"""Rows of files with an object of JSON on each line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ml_workspace_lab.endpoints.batch.formats import Survey, changed
from ml_workspace_lab.endpoints.batch.model import MiniBatch
from ml_workspace_lab.endpoints.batch.values import Block, Kinds, block, joined, kind_of_value
from ml_workspace_lab.errors import InvalidInput

_OBJECT = msgspec.json.Decoder(dict[str, Any])


class JsonReader:
    """Reads JSON lines. A line that is no object is a bad row; what an object does not have is a
    missing value, an empty line none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def survey(self, size: int) -> Survey:
        kinds: Kinds = {}
        offsets, rows = [], 0
        for offset, line in self._lines(0):
            if rows % size == 0:
                offsets.append(offset)
            rows += 1
            try:
                values = _OBJECT.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            for name, value in values.items():
                kinds[name] = joined(kinds.get(name, "none"), kind_of_value(value))
        if rows and not kinds:
            raise InvalidInput(f"input: no line of {self._path.name} is an object.", field="input")
        return Survey(kinds, rows, offsets)

    def read(self, part: MiniBatch, kinds: Kinds) -> Block:
        numbers, objects, bad = [], [], []
        lines = self._lines(part.offset)
        for number in range(part.first, part.first + part.rows):
            _, line = next(lines, (0, b""))
            if not line:
                raise changed(self._path)
            try:
                objects.append(_OBJECT.decode(line))
                numbers.append(number)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                bad.append((number, f"is not an object of JSON: {error}"))
        names = dict.fromkeys(name for one in objects for name in one)
        columns = {name: [one.get(name) for one in objects] for name in {**kinds, **names}}
        return block(numbers, columns, kinds, bad)

    def _lines(self, offset: int) -> Iterator[tuple[int, bytes]]:
        with self._path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if line.strip():
                    yield offset, line
                offset += len(line)
