"""The calls that read metrics: histories in pages, in bulk, and sampled for charts."""

import base64
import struct
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Int64
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.ids import is_run_id
from ml_workspace_lab.mlflow import answers, lookup
from ml_workspace_lab.mlflow.entities import LARGEST
from ml_workspace_lab.mlflow.errors import invalid, missing
from ml_workspace_lab.mlflow.reading import query
from ml_workspace_lab.mlflow.sampling import sampled
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.storage import chunks
from ml_workspace_lab.storage.chunks import Columns

BULK_RUNS = 100
BULK_POINTS = 25_000
SAMPLED_POINTS = 2_500
KEPT = 8
_LENGTH = struct.Struct("<I")


class History(Struct):
    run_id: str
    metric_key: str
    max_results: int | None = None
    page_token: str = ""


class Bulk(Struct):
    run_id: list[str] = msgspec.field(default_factory=list)
    metric_key: str | None = None
    max_results: Annotated[int, Meta(ge=1)] = BULK_POINTS


class Interval(Struct):
    run_ids: list[str]
    metric_key: str
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: int = SAMPLED_POINTS


def history(request: Request) -> Response:
    call = query(request, History)
    if call.max_results is not None and call.max_results <= 0:
        raise invalid("max_results", call.max_results, "It must be a positive integer.")
    begin = _from_token(call.page_token) if call.page_token else 0
    found = columns(request.connection, call.run_id, call.metric_key)
    end = len(found.steps)
    if call.max_results is not None:
        end = min(end, begin + call.max_results)
    metrics = _points(call.metric_key, found.at(slice(begin, end)))
    token = f',"next_page_token":"{_to_token(end)}"' if end < len(found.steps) else ""
    return answers.raw(f'{{"metrics":[{metrics}]{token}}}'.encode())


def bulk(request: Request) -> Response:
    call = query(request, Bulk)
    if not call.run_id:
        raise InvalidInput("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(call.run_id) > BULK_RUNS:
        raise InvalidInput(
            f"GetMetricHistoryBulk request cannot specify more than {BULK_RUNS} run_ids. Received"
            f" {len(call.run_id)} run_ids."
        )
    if call.metric_key is None:
        raise InvalidInput("GetMetricHistoryBulk request must specify a metric_key.")
    left = min(call.max_results, BULK_POINTS)
    parts = []
    for run_id in sorted(set(call.run_id)):
        found = columns(request.connection, run_id, call.metric_key).at(slice(0, left))
        left -= len(found.steps)
        parts.append(_points(call.metric_key, found, run_id))
    return answers.raw(f'{{"metrics":[{",".join(filter(None, parts))}]}}'.encode())


def interval(request: Request) -> Response:
    call = query(request, Interval)
    _check_interval(call)
    parts = []
    for run_id in call.run_ids:
        found = by_step(columns(request.connection, run_id, call.metric_key))
        if call.start_step is not None:
            found = _between(found, call.start_step, call.end_step or 0)
        parts.append(_points(call.metric_key, sampled(found, call.max_results), run_id))
    return answers.raw(f'{{"metrics":[{",".join(filter(None, parts))}]}}'.encode())


def columns(connection: LocalConnection, run_id: str, key: str) -> Columns:
    """All points of a metric by time, step and value; equal ones once, as the protocol has it."""
    if not is_run_id(run_id):
        raise lookup.no_run(run_id)
    try:
        return _unpacked(connection.metrics.columns(run_id, key).read())
    except NotFound:
        raise lookup.no_run(run_id) from None


@lru_cache(KEPT)
def _unpacked(raw: bytes) -> Columns:
    """The points of a series' chunks in order. The last few are kept: a history is asked for page
    by page."""
    import numpy as np

    found, at = [], 0
    while at < len(raw):
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        found.append(chunks.decode(raw[at : at + length]))
        at += length
    if not found:
        return Columns(np.empty(0, "<i8"), np.empty(0, "<i8"), np.empty(0))
    whole = Columns(*(np.concatenate(column) for column in zip(*found, strict=True)))
    if not (whole.times[1:] > whole.times[:-1]).all():
        whole = _unique(whole.at(np.lexsort((whole.values, whole.steps, whole.times))))
    return whole


def _between(found: Columns, first: int, last: int) -> Columns:
    """The points of these steps, of points by step."""
    import numpy as np

    begin = int(np.searchsorted(found.steps, first, "left"))
    return found.at(slice(begin, int(np.searchsorted(found.steps, last, "right"))))


def by_step(found: Columns) -> Columns:
    """The same points by step, time and value."""
    import numpy as np

    return found.at(np.lexsort((found.values, found.times, found.steps)))


def _unique(found: Columns) -> Columns:
    import numpy as np

    same = np.ones(max(0, len(found.steps) - 1), bool)
    for column in (found.steps, found.times, found.values.view("<i8")):
        same &= column[1:] == column[:-1]
    return found.at(np.flatnonzero(np.concatenate(([True], ~same)))) if same.any() else found


def _points(key: str, found: Columns, run_id: str | None = None) -> str:
    """The points as JSON objects with commas between them, put together by hand: there are many."""
    name = msgspec.json.encode(key).decode()
    end = f',"run_id":"{run_id}"}}' if run_id else "}"
    rows = zip(_shown(found), found.times.tolist(), found.steps.tolist(), strict=True)
    return ",".join(
        f'{{"key":{name},"value":{value},"timestamp":{time},"step":{step}{end}'
        for value, time, step in rows
    )


def _shown(found: Columns) -> list[Any]:
    import numpy as np

    shown: list[Any] = np.clip(found.values, -LARGEST, LARGEST).tolist()
    if np.isnan(found.values).any():
        return ['"NaN"' if value != value else value for value in shown]
    return shown


def _check_interval(call: Interval) -> None:
    if len(call.run_ids) > BULK_RUNS:
        raise InvalidInput(
            f"GetMetricHistoryBulkInterval request must specify at most {BULK_RUNS} run_ids."
            f" Received {len(call.run_ids)} run_ids."
        )
    if not call.run_ids:
        raise missing("run_ids")
    if not 1 <= call.max_results <= SAMPLED_POINTS:
        raise InvalidInput(
            f"max_results must be between 1 and {SAMPLED_POINTS}.", field="max_results"
        )
    if (call.start_step is None) != (call.end_step is None):
        raise InvalidInput(
            "If either start step or end step are specified, both must be specified."
        )
    if call.start_step is not None and call.start_step > (call.end_step or 0):
        raise InvalidInput(
            "end_step must be greater than start_step. Found"
            f" start_step={call.start_step} and end_step={call.end_step}."
        )


def _to_token(begin: int) -> str:
    return base64.urlsafe_b64encode(begin.to_bytes(8)).decode()


def _from_token(token: str) -> int:
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 8 or raw[0] > 127:
        raise invalid("page_token", token, "it is not the token of an earlier page.")
    return int.from_bytes(raw)
