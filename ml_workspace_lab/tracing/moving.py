"""Traces and issues as records, in a form that goes from workspace to workspace."""

from collections.abc import Collection
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.types import (
    Digest,
    Int64,
    Key,
    Offset,
    RelativePath,
    RunId,
    Text,
    Word,
)
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.database import Queries, Transaction
from ml_workspace_lab.tracing import assessment_store, issue_store, store
from ml_workspace_lab.tracing.issue import CreateIssue, IssueId
from ml_workspace_lab.tracing.model import (
    AssessmentRecord,
    Span,
    SpanId,
    State,
    TraceId,
)

T = TypeVar("T", bound=Struct)


class SpanRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A span of a trace. Times are nanoseconds; `body` is the span as OpenTelemetry has it."""

    span_id: SpanId
    name: Word
    started: Int64
    ended: Int64
    body: str
    parent_id: SpanId | None = None
    type: str = "UNKNOWN"
    status: Literal["OK", "ERROR", "UNSET"] = "UNSET"


class TraceFileRecord(Struct, frozen=True, forbid_unknown_fields=True):
    path: RelativePath
    digest: Digest
    size: Offset
    created: Int64


class TraceRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A trace with its spans, files and assessments. Times are milliseconds. `is_told` is false
    where only spans have told of it."""

    trace_id: TraceId
    created: Int64
    state: State
    is_told: bool
    duration_ms: Int64 | None = None
    client_request_id: Text | None = None
    request_preview: Word | None = None
    response_preview: Word | None = None
    tags: dict[Key, Word] = field(default_factory=dict)
    metadata: dict[Key, Word] = field(default_factory=dict)
    runs: list[RunId] = field(default_factory=list)
    spans: list[SpanRecord] = field(default_factory=list)
    assessments: list[AssessmentRecord] = field(default_factory=list)
    files: list[TraceFileRecord] = field(default_factory=list)


class IssueRecord(CreateIssue, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An issue. Times are milliseconds."""

    issue_id: IssueId
    created: Int64
    updated: Int64


def traces(queries: Queries, experiment: int) -> list[str]:
    """The ids of an experiment's traces, the oldest first."""
    rows = queries.all(
        "SELECT uid FROM trace WHERE experiment = :experiment AND started >= 0"
        " ORDER BY created, id",
        experiment=experiment,
    )
    return [row["uid"] for row in rows]


def read_trace(queries: Queries, _: int, trace_id: str) -> TraceRecord | None:
    """The record of a trace; None where it isn't here, or has only been announced by a run."""
    row = store.find(queries, trace_id)
    if row is None or row["started"] < 0:
        return None
    (info,) = store.infos(queries, [row])
    return TraceRecord(
        trace_id=trace_id,
        is_told=row["started"] > 0,
        spans=[_as(SpanRecord, one) for one in store.whole_spans(queries, row["id"], trace_id)],
        assessments=[_as(AssessmentRecord, one) for one in info.assessments],
        files=[
            TraceFileRecord(*(one[name] for name in TraceFileRecord.__struct_fields__))
            for one in sorted(store.files(queries, row["id"]), key=lambda one: str(one["path"]))
        ],
        **_fields(info, TraceRecord, but=("is_told", "spans", "assessments", "files", "trace_id")),
    )


def write_trace(transaction: Transaction, experiment: int, record: TraceRecord) -> None:
    """Add a trace that is not here yet. Its files' contents must have been put. Raises InvalidInput
    where one of its assessments is another trace's."""
    columns = {
        "created": record.created,
        "duration": record.duration_ms,
        "state": record.state,
        "client_request_id": record.client_request_id,
        "request_preview": record.request_preview,
        "response_preview": record.response_preview,
        "started": int(record.is_told),
    }
    row = store.find(transaction, record.trace_id)
    if row is None:
        trace = store.insert(transaction, record.trace_id, experiment, **columns)
    else:
        trace = row["id"]
        store.change(transaction, trace, experiment=experiment, **columns)
    store.set_pairs(transaction, trace, "tag", record.tags)
    store.set_pairs(transaction, trace, "metadata", record.metadata)
    store.link(transaction, trace, record.runs)
    spans = [Span(record.trace_id, **msgspec.structs.asdict(span)) for span in record.spans]
    store.put_spans(transaction, trace, spans)
    for file in record.files:
        store.put_file(transaction, trace, file.path, file.digest, file.size, file.created)
    for one in record.assessments:
        if not assessment_store.restore(transaction, trace, one):
            raise InvalidInput(f"The assessment {one.assessment_id} is another trace's.")


def issues(queries: Queries, experiment: int) -> list[str]:
    """The ids of an experiment's issues, the oldest first."""
    rows = queries.all(
        "SELECT uid FROM issue WHERE experiment = :experiment ORDER BY created, id",
        experiment=experiment,
    )
    return [row["uid"] for row in rows]


def read_issue(queries: Queries, _: int, issue_id: str) -> IssueRecord | None:
    """The record of an issue; None where it isn't here."""
    row = issue_store.find(queries, issue_id)
    return None if row is None else _as(IssueRecord, issue_store.of_row(row))


def write_issue(transaction: Transaction, experiment: int, record: IssueRecord) -> None:
    """Add an issue that is not here yet."""
    moments = record.created, record.updated
    issue_store.insert(transaction, record.issue_id, experiment, record, moments)


def _as(kind: type[T], value: Struct) -> T:
    """What a record of that kind has of a value, by the same names."""
    return kind(**_fields(value, kind))


def _fields(value: Struct, kind: type[Struct], *, but: Collection[str] = ()) -> dict[str, Any]:
    return {name: getattr(value, name) for name in kind.__struct_fields__ if name not in but}
