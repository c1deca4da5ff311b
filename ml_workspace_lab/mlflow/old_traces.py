"""The calls about traces of clients before MLflow 3, which say when a trace begins and ends."""

import os

from msgspec import Struct, field

from ml_workspace_lab.api.types import Int64
from ml_workspace_lab.mlflow import entities, lookup, trace_entities
from ml_workspace_lab.mlflow.answers import answer
from ml_workspace_lab.mlflow.entities import Pair
from ml_workspace_lab.mlflow.errors import invalid
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.traces import find, found_in
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.tracing.model import StartTrace, State, TraceInfo

STATES: tuple[State, ...] = ("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS")
"""In the order of their numbers, which begin at 0."""
UNSPECIFIED = "TRACE_STATUS_UNSPECIFIED"
"""What these clients call the first."""


class Start(Struct):
    experiment_id: str
    timestamp_ms: Int64 = 0
    request_metadata: list[Pair] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)


class End(Struct):
    timestamp_ms: Int64 = 0
    status: str | int = 0
    request_metadata: list[Pair] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)


class Search(Struct):
    experiment_ids: list[str]
    filter: str = ""
    max_results: int = 100
    order_by: list[str] = field(default_factory=list)
    page_token: str | None = None


class Old(Struct, frozen=True):
    """A trace as these clients know it; one that goes on has taken no time."""

    request_id: str
    experiment_id: str
    timestamp_ms: int
    execution_time_ms: int
    status: str
    request_metadata: list[Pair]
    tags: list[Pair]


def start(request: Request) -> Response:
    call = body(request, Start)
    experiment = lookup.active_experiment(request.connection, call.experiment_id)
    begun = StartTrace(
        trace_id=os.urandom(16).hex(),
        created=call.timestamp_ms,
        state="IN_PROGRESS",
        metadata=entities.by_key(call.request_metadata),
        tags=entities.by_key(call.tags),
    )
    return answer(trace_info=_old(request.connection.traces.start(experiment.name, begun)))


def end(request: Request) -> Response:
    """How a trace ended; its tags and metadata are added to those that it has."""
    call = body(request, End)
    state = _state(call.status)
    info = find(request.connection, request.path["trace_id"])
    ended = StartTrace(
        trace_id=info.trace_id,
        created=info.created,
        duration_ms=call.timestamp_ms - info.created,
        state=state,
        metadata=entities.by_key(call.request_metadata),
        tags=entities.by_key(call.tags),
    )
    return answer(trace_info=_old(request.connection.traces.start(info.experiment, ended)))


def get(request: Request) -> Response:
    return answer(trace_info=_old(find(request.connection, request.path["trace_id"])))


def search(request: Request) -> Response:
    call = body(request, Search)
    page = found_in(request.connection, call.experiment_ids, call)
    return answer(traces=[_old(one) for one in page.items], next_page_token=page.next)


def _state(given: str | int) -> State:
    if given == UNSPECIFIED:
        return "STATE_UNSPECIFIED"
    if isinstance(given, int) and 0 <= given < len(STATES):
        return STATES[given]
    for state in STATES[1:]:
        if given == state:
            return state
    words = ", ".join((UNSPECIFIED, *STATES[1:]))
    raise invalid("status", given, f"it must be one of {words}.")


def _old(info: TraceInfo) -> Old:
    return Old(
        request_id=info.trace_id,
        experiment_id=str(info.experiment_number),
        timestamp_ms=info.created,
        execution_time_ms=info.duration_ms or 0,
        status=UNSPECIFIED if info.state == "STATE_UNSPECIFIED" else info.state,
        request_metadata=entities.pairs(info.metadata),
        tags=entities.pairs(trace_entities.tags(info)),
    )


CALLS = (
    ("POST", "traces", start),
    ("GET", "traces", search),
    ("PATCH", r"traces/(?P<trace_id>[^/]+)", end),
    ("GET", r"traces/(?P<trace_id>[^/]+)/info", get),
)
