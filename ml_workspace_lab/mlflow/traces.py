"""The calls about traces."""

import json
import time
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Int64
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.mlflow import lookup, trace_entities
from ml_workspace_lab.mlflow.answers import NOTHING, answer, raw
from ml_workspace_lab.mlflow.artifacts import download
from ml_workspace_lab.mlflow.errors import missing
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.shelves import OfTrace, safe
from ml_workspace_lab.mlflow.span_dicts import span_dict
from ml_workspace_lab.mlflow.tag_lists import tag_list
from ml_workspace_lab.mlflow.trace_entities import Location, TraceIn
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.tracing.announced import announced
from ml_workspace_lab.tracing.conditions import PROMPTS_TAG
from ml_workspace_lab.tracing.model import (
    DeleteTraces,
    SearchTraces,
    TraceInfo,
    TraceList,
    UpdateTrace,
)
from ml_workspace_lab.tracing.service import SPANS_FILE

MAX_RESULTS = 500
LINKS = 100
ATTACHED = "attachments"
PAUSES = (0.1, 0.4, 1.0)


class Start(Struct):
    trace: TraceIn


class Asked(Protocol):
    """What clients of any age ask of a search."""

    filter: str
    max_results: int
    order_by: list[str]
    page_token: str | None


class Search(Struct):
    locations: list[Location]
    filter: str = ""
    max_results: int = 100
    order_by: list[str] = field(default_factory=list)
    page_token: str | None = None


class One(Struct):
    trace_id: str
    allow_partial: bool = False


class OfRequest(Struct):
    request_id: str
    path: str = ""


class Many(Struct):
    trace_ids: list[str]


class SetTag(Struct):
    key: str
    value: str = ""


class DeleteTag(Struct):
    key: str


class Delete(Struct):
    experiment_id: str
    max_timestamp_millis: Int64 | None = None
    max_traces: int | None = None
    request_ids: list[str] = field(default_factory=list)


class Link(Struct):
    trace_ids: list[str]
    run_id: str


class PromptVersion(Struct):
    name: str
    version: str


class LinkPrompts(Struct):
    trace_id: str
    prompt_versions: list[PromptVersion]


def start(request: Request) -> Response:
    given = body(request, Start).trace.trace_info
    place = given.trace_location.mlflow_experiment if given.trace_location else None
    if place is None:
        raise missing("trace.trace_info.trace_location.mlflow_experiment")
    experiment = lookup.active_experiment(request.connection, place.experiment_id)
    made = request.connection.traces.start(experiment.name, trace_entities.started(given))
    return _answer(made)


def get_info(request: Request) -> Response:
    return _answer(find(request.connection, request.path["trace_id"]))


def get(request: Request) -> Response:
    """A trace with its spans, all of them unless it may be partial: those on their way, which
    clients send beside the trace, are waited for a moment."""
    call = body(request, One)
    info = find(request.connection, call.trace_id)
    wanted = 0 if call.allow_partial else announced(info.metadata)
    spans = request.connection.traces.spans(info.trace_id).items
    for seconds in PAUSES:
        if len(spans) >= wanted:
            break
        time.sleep(seconds)
        spans = request.connection.traces.spans(info.trace_id).items
    if len(spans) < wanted:
        raise NotFound(
            f"Trace with ID {info.trace_id} is not fully exported yet, please try again later.",
            field="trace_id",
        )
    return raw(b'{"trace":' + _with_spans(info, spans) + b"}")


def spans_file(request: Request) -> Response:
    """The spans as a file; the one that the trace has where no spans were sent. With a path: what
    is attached to it."""
    call = body(request, OfRequest)
    info = find(request.connection, call.request_id)
    files = OfTrace(request.connection, info.trace_id)
    if call.path:
        return download(files.get(f"{ATTACHED}/{safe(call.path)}"))
    spans = request.connection.traces.spans(info.trace_id).items
    if not spans and any(one.path == SPANS_FILE for one in files.list()):
        return download(files.get(SPANS_FILE))
    said = {"spans": [span_dict(one, info.trace_id) for one in spans]}
    content = json.dumps(said, ensure_ascii=False).encode()
    return Response(200, {"Content-Disposition": "attachment; filename=traces.json"}, content)


def batch_get(request: Request) -> Response:
    """Those that are there, with their spans, in the order that was asked for."""
    found = _several(request.connection, body(request, Many).trace_ids)
    parts = b",".join(_whole(request.connection, info) for info in found)
    return raw(b'{"traces":[' + parts + b"]}")


def batch_get_infos(request: Request) -> Response:
    found = _several(request.connection, body(request, Many).trace_ids)
    return answer(trace_infos=[trace_entities.info(one) for one in found])


def search(request: Request) -> Response:
    call = body(request, Search)
    places = [one.mlflow_experiment for one in call.locations if one.mlflow_experiment]
    page = found_in(request.connection, [place.experiment_id for place in places], call)
    traces = [trace_entities.info(one) for one in page.items]
    return answer(traces=traces, next_page_token=page.next)


def found_in(connection: LocalConnection, experiment_ids: Sequence[str], asked: Asked) -> TraceList:
    """A page of the traces of those of the experiments that there are."""
    if not 1 <= asked.max_results <= MAX_RESULTS:
        raise InvalidInput(
            f"Invalid value {asked.max_results} for parameter 'max_results' supplied: it must be at"
            f" least 1 and at most {MAX_RESULTS}.",
            field="max_results",
        )
    names = lookup.experiment_names(connection, experiment_ids)
    wanted = SearchTraces(
        names, asked.filter, asked.order_by, asked.max_results, asked.page_token or None
    )
    found: TraceList = connection.traces.search(wanted)
    return found


def set_tag(request: Request) -> Response:
    call = body(request, SetTag)
    info = find(request.connection, request.path["trace_id"])
    request.connection.traces.update(info.trace_id, UpdateTrace(tags={call.key: call.value}))
    return NOTHING


def delete_tag(request: Request) -> Response:
    call = body(request, DeleteTag)
    info = find(request.connection, request.path["trace_id"])
    if call.key not in info.tags:
        raise NotFound(
            f"No trace tag with key '{call.key}' for trace with ID '{info.trace_id}'", field="key"
        )
    request.connection.traces.update(info.trace_id, UpdateTrace(remove_tags=[call.key]))
    return NOTHING


def delete(request: Request) -> Response:
    call = body(request, Delete)
    if bool(call.request_ids) == (call.max_timestamp_millis is not None):
        raise InvalidInput(
            "Either `max_timestamp_millis` or `trace_ids` must be specified, but not both.",
            field="request_ids",
        )
    if call.max_traces is not None and (call.request_ids or call.max_traces < 1):
        raise InvalidInput(
            "`max_traces` must be positive, and is for `max_timestamp_millis` alone.",
            field="max_traces",
        )
    experiment = lookup.experiment(request.connection, call.experiment_id)
    wanted = DeleteTraces(call.request_ids, call.max_timestamp_millis, call.max_traces)
    gone = request.connection.traces.delete(experiment.name, wanted)
    return answer(traces_deleted=gone.count)


def link_to_run(request: Request) -> Response:
    call = body(request, Link)
    if len(call.trace_ids) > LINKS:
        raise InvalidInput(
            f"Cannot link more than {LINKS} traces to a run in a single request. Provided"
            f" {len(call.trace_ids)} traces.",
            field="trace_ids",
        )
    run = lookup.run(request.connection, call.run_id)
    for trace_id in dict.fromkeys(call.trace_ids):
        request.connection.traces.update(trace_id, UpdateTrace(link_runs=[run.run_id]))
    return NOTHING


def link_prompts(request: Request) -> Response:
    call = body(request, LinkPrompts)
    info = find(request.connection, call.trace_id)
    linked = tag_list(info.tags, PROMPTS_TAG)
    linked += [
        prompt
        for one in call.prompt_versions
        if (prompt := {"name": one.name, "version": one.version}) not in linked
    ]
    tags = {PROMPTS_TAG: json.dumps(linked)}
    request.connection.traces.update(info.trace_id, UpdateTrace(tags=tags))
    return NOTHING


def find(connection: LocalConnection, trace_id: str) -> TraceInfo:
    try:
        found: TraceInfo = connection.traces.get(trace_id)
    except (NotFound, InvalidInput):  # An id that no trace can have is none's.
        raise NotFound(f"Trace with ID '{trace_id}' not found.", field="trace_id") from None
    return found


def _several(connection: LocalConnection, trace_ids: list[str]) -> list[TraceInfo]:
    found = []
    for trace_id in dict.fromkeys(trace_ids):
        try:
            found.append(find(connection, trace_id))
        except NotFound:
            continue
    return found


def _answer(info: TraceInfo) -> Response:
    return answer(trace={"trace_info": trace_entities.info(info)})


def _whole(connection: LocalConnection, info: TraceInfo) -> bytes:
    return _with_spans(info, connection.traces.spans(info.trace_id).items)


def _with_spans(info: TraceInfo, spans: list[str]) -> bytes:
    """A trace with its spans, which are kept as they are sent."""
    listed = ",".join(spans).encode()
    return b'{"trace_info":' + trace_entities.encoded(info) + b',"spans":[' + listed + b"]}"


CALLS = (
    ("POST", "traces", start),
    ("POST", "traces/search", search),
    ("GET", "traces/get", get),
    ("GET", "traces/batchGet", batch_get),
    ("POST", "traces/batchGetInfos", batch_get_infos),
    ("POST", "traces/delete-traces", delete),
    ("POST", "traces/link-to-run", link_to_run),
    ("POST", "traces/link-prompts", link_prompts),
    ("GET", r"traces/(?P<trace_id>[^/]+)", get_info),
    ("PATCH", r"traces/(?P<trace_id>[^/]+)/tags", set_tag),
    ("DELETE", r"traces/(?P<trace_id>[^/]+)/tags", delete_tag),
)
