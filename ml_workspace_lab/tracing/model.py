"""What a trace is: one call of an application, its spans, and what is thought of it."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ml_workspace_lab.api.types import Int64, Key, Limit, Millis, Name, RunId, Text, Word, text_like

TraceId = Annotated[
    str,
    text_like(
        r"^[A-Za-z0-9][A-Za-z0-9_.-]*$(?!\n)",
        "is not the id of a trace: letters, digits, _ . and -",
        min_length=1,
        max_length=255,
    ),
]
AssessmentId = Annotated[
    str, text_like(r"^a-[0-9a-f]{32}$(?!\n)", "is not the id of an assessment")
]
SpanId = Annotated[
    str, text_like(r"^[0-9a-f]{16}$(?!\n)", "is not a span's id: 16 digits 0-9, a-f")
]
State = Literal["OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED"]
AssessmentKind = Literal["feedback", "expectation", "issue"]


class Assessment(Struct, frozen=True):
    """What somebody or something thinks of a trace, or of one span: `content` has the `value`, or
    an `error` where there should be one. One that is not `valid` has been overridden."""

    assessment_id: str
    trace_id: str
    kind: AssessmentKind
    name: str
    content: dict[str, Any]
    source: dict[str, str]
    created: Millis
    updated: Millis
    rationale: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    span_id: str | None = None
    overrides: str | None = None
    valid: bool = True


class TraceInfo(Struct, frozen=True):
    """A trace as it is now. Without `duration_ms` it goes on, or never said that it ended."""

    trace_id: str
    experiment: str
    experiment_number: int
    created: Millis
    duration_ms: int | None
    state: State
    client_request_id: str | None
    request_preview: str | None
    response_preview: str | None
    tags: dict[str, str]
    metadata: dict[str, str]
    runs: list[str]
    assessments: list[Assessment]


class TraceList(Struct, frozen=True):
    """Traces; `next` is the `after` that asks for the part that follows."""

    items: list[TraceInfo]
    next: str | None = None


class CreateAssessment(Struct, frozen=True, forbid_unknown_fields=True):
    kind: AssessmentKind
    name: Name
    content: dict[str, Any]
    source: dict[str, Text] = field(default_factory=dict)
    rationale: Text | None = None
    metadata: dict[Key, Text] = field(default_factory=dict)
    span_id: Text | None = None
    overrides: AssessmentId | None = None


class AssessmentRecord(CreateAssessment, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An assessment as it goes from workspace to workspace."""

    assessment_id: AssessmentId
    created: Int64
    updated: Int64
    valid: bool


class UpdateAssessment(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; `metadata` is replaced whole."""

    name: Name | UnsetType = UNSET
    content: dict[str, Any] | UnsetType = UNSET
    rationale: Text | UnsetType | None = UNSET
    metadata: dict[Key, Text] | UnsetType = UNSET
    valid: bool | UnsetType = UNSET


class StartTrace(Struct, frozen=True, forbid_unknown_fields=True):
    """A trace, or what is new of one: tags and metadata are added to those that it has."""

    trace_id: TraceId
    created: Int64
    duration_ms: Int64 | None = None
    state: State = "STATE_UNSPECIFIED"
    client_request_id: Text | None = None
    request_preview: Word | None = None
    response_preview: Word | None = None
    tags: dict[Key, Word] = field(default_factory=dict)
    metadata: dict[Key, Word] = field(default_factory=dict)
    assessments: list[CreateAssessment] = field(default_factory=list)


class UpdateTrace(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; tags are set."""

    tags: dict[Key, Word] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)
    link_runs: list[RunId] = field(default_factory=list)


class Span(Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a trace. Times are nanoseconds since 1970-01-01 UTC; `body` is the whole span as
    OpenTelemetry's protocol has it in JSON."""

    trace_id: TraceId
    span_id: SpanId
    name: str
    started: Int64
    ended: Int64
    body: str
    parent_id: SpanId | None = None
    type: str = "UNKNOWN"
    status: Literal["OK", "ERROR", "UNSET"] = "UNSET"
    request_preview: str | None = None
    response_preview: str | None = None


class AddSpans(Struct, frozen=True, forbid_unknown_fields=True):
    items: list[Span]


class SpanList(Struct, frozen=True):
    """The spans of a trace as JSON texts, the first that began first."""

    items: list[str]


class SearchTraces(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for: `filter` and `order_by` in the grammar of the search for runs."""

    experiments: list[Name]
    filter: Text = ""
    order_by: list[Text] = field(default_factory=list)
    limit: Limit = 100
    after: Text | None = None


class DeleteTraces(Struct, frozen=True, forbid_unknown_fields=True):
    """Which traces of an experiment: those named, or those up to a moment, the oldest first and at
    most so many."""

    trace_ids: list[TraceId] = field(default_factory=list)
    until: Int64 | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None


class Deleted(Struct, frozen=True):
    count: int


class TraceFile(Struct, frozen=True):
    path: str
    size: int


class TraceFileList(Struct, frozen=True):
    items: list[TraceFile]
