"""Requests to an endpoint that were kept: as a list, and as tables."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import msgspec

from ml_workspace_lab.endpoints.telemetry.model import Sample

if TYPE_CHECKING:
    from ml_workspace_lab.client.endpoint import Endpoint

PAGE = 500
WRAPPERS = (
    "data", "input_data", "Inputs", "inputs", "instances", "dataframe_records", "dataframe_split",
)  # fmt: skip
"""What the rows of a request may be wrapped in."""


class Samples(Sequence[Sample]):
    """Samples, the newest first."""

    def __init__(self, items: Sequence[Sample]) -> None:
        self._items = list(items)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "Samples": ...
    def __getitem__(self, index: int | slice) -> "Sample | Samples":
        found = self._items[index]
        return Samples(found) if isinstance(found, list) else found

    def to_pandas(self, *, rows: bool = False) -> Any:
        """A DataFrame with a line for each sample; with `rows` one for each row that was asked for,
        with its values by column and its `prediction`. `time` is UTC."""
        import pandas as pd

        lines = [line for one in self._items for line in (_rows(one) if rows else [_facts(one)])]
        frame = pd.DataFrame(lines)
        if lines:
            frame["time"] = pd.to_datetime(frame["time"], unit="ms", utc=True)
        return frame

    def __repr__(self) -> str:
        return f"Samples({len(self)})"


def read(endpoint: "Endpoint", deployment: str | None, limit: int) -> Samples:
    """The newest samples of an endpoint, page by page."""
    samples = endpoint.workspace.connection.endpoint_telemetry.samples
    found: list[Sample] = []
    after: str | None = None
    while len(found) < limit:
        page = samples(
            endpoint.name, deployment=deployment, after=after, limit=min(PAGE, limit - len(found))
        )
        found += page.items
        after = page.next
        if after is None:
            break
    return Samples(found)


def _facts(sample: Sample) -> dict[str, Any]:
    return msgspec.structs.asdict(sample)


def _rows(sample: Sample) -> Iterator[dict[str, Any]]:
    facts = _facts(sample)
    for name in ("request", "response"):
        del facts[name]
    columns, rows = _table(sample.request)
    answer = sample.response
    if isinstance(answer, dict) and "predictions" in answer:
        answer = answer["predictions"]
    has_each = isinstance(answer, list) and len(answer) == len(rows)
    for place, row in enumerate(rows):
        names = columns or [str(place) for place in range(len(row))]
        values = dict(zip(names, row, strict=False))
        yield {**facts, **values, "prediction": answer[place] if has_each else answer}


def _table(request: Any) -> tuple[list[str], list[list[Any]]]:
    """The names of columns, where there are any, and the rows; of another request its fields as the
    only row."""
    found = request
    if isinstance(request, dict):
        found = next((request[name] for name in WRAPPERS if name in request), request)
        if "columns" in request and "data" in request:
            found = request
    if isinstance(found, dict):
        columns, rows = found.get("columns"), found.get("data")
        if isinstance(columns, list) and isinstance(rows, list):
            return [str(name) for name in columns], [_listed(row) for row in rows]
        return [str(name) for name in found], [list(found.values())]
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        columns = list(dict.fromkeys(name for row in found for name in row))
        return columns, [[row.get(name) for name in columns] for row in found]
    if isinstance(found, list):
        return [], [_listed(row) for row in found]
    return [], [] if found is None else [[found]]


def _listed(row: Any) -> list[Any]:
    return row if isinstance(row, list) else [row]
