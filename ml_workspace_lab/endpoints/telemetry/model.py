"""What may be kept of requests, where their figures go, and how both are told."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import BaseUrl, Key, Millis

MOST_BODY = 64 * 1024
"""Bytes of a body or an answer that a sample holds; a longer one is left out of it."""
DAYS = 30

FieldNames = Annotated[list[Key], Meta(max_length=200)]
Pattern = Literal["email", "ip", "number"]
"""What a text may hold: an e-mail address, an address of the internet, a number of seven digits or
more as those of cards, phones and people are."""
Share = Annotated[float, Meta(gt=0, le=1)]


class Sampling(Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests are kept with their answers: a `share` of them (0.01 is 1 %), at most
    `most_per_minute` in each scoring process; for so many `days`, and as many as `most_bytes` hold.

    What is in fields and columns of these names, wherever they stand, is not kept (`drop_fields`),
    or only a keyed hash of it, which is the same for the same value (`hash_fields`). So it is with
    `drop_patterns` and `hash_patterns` in any text. Letters' case, `-`, `_` and spaces make no
    difference in names."""

    share: Share
    most_per_minute: Annotated[int, Meta(ge=1, le=6000)] = 60
    drop_fields: FieldNames = field(default_factory=list)
    hash_fields: FieldNames = field(default_factory=list)
    drop_patterns: list[Pattern] = field(default_factory=list)
    hash_patterns: list[Pattern] = field(default_factory=list)
    most_bytes: Annotated[int, Meta(ge=1024**2, le=16 * 1024**3)] = 64 * 1024**2
    days: Annotated[int, Meta(ge=1, le=3650)] = DAYS


class Export(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an endpoint's metrics and traces go: the base `url` of a collector that takes OTLP over
    HTTP (`http://127.0.0.1:4318`), every `interval_seconds`. Of requests without a trace of their
    own `trace_share` get one; a client's `traceparent` says by itself whether it is traced."""

    url: BaseUrl
    interval_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 60.0
    trace_share: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Sample(Struct, frozen=True):
    """A request and its answer, as far as they may be kept. `latency_ms` is from the request's head
    to its answer. `request` and `response` are the JSON values, or the texts; None where they are
    left out, and `left_out` says why."""

    time: Millis
    request_id: str
    deployment: str
    model: str
    model_version: int
    page: str
    status: int
    latency_ms: float
    request_bytes: int
    response_bytes: int
    client_request_id: str = ""
    trace_id: str = ""
    request: Any = None
    response: Any = None
    left_out: str = ""


class SamplePage(Struct, frozen=True):
    """The newest first; `next` is what to give as `after` for older ones, None at the end."""

    items: list[Sample]
    next: str | None


class ExceptionSeen(Struct, frozen=True):
    """What a scoring process has raised, of one kind: how often, and the last one."""

    kind: str
    count: int
    first_seen: Millis
    last_seen: Millis
    message: str
    traceback: str
    request_id: str


class Observed(Struct, frozen=True):
    """What one scoring process has seen since it `began` (seconds since the epoch). `samples` and
    `exported` are counts by what came of them: `kept`, `sent`, `lost`; `trouble` is what was last
    in the way of exporting, "" where nothing is."""

    began: float
    exceptions: list[ExceptionSeen] = field(default_factory=list)
    samples: dict[str, int] = field(default_factory=dict)
    exported: dict[str, int] = field(default_factory=dict)
    trouble: str = ""


class ExceptionInfo(Struct, frozen=True):
    """Exceptions of one kind in a deployment since its last update; the last of them with its
    traceback and the request that it failed."""

    deployment: str
    kind: str
    count: int
    first_seen: Millis
    last_seen: Millis
    message: str
    request_id: str
    traceback: str


class ExceptionList(Struct, frozen=True):
    items: list[ExceptionInfo]


class DeploymentTelemetry(Struct, frozen=True):
    """What a deployment has seen since its last update."""

    deployment: str
    exceptions: int
    samples: dict[str, int]
    exported: dict[str, int]
    trouble: str
    sampling: Sampling | None


class Telemetry(Struct, frozen=True):
    """What is kept of an endpoint's requests, and where their figures go. `export` is what was set
    for it or, `is_default`, for all endpoints without a setting of their own; None where the
    environment of its processes alone says."""

    export: Export | None
    is_default: bool
    deployments: list[DeploymentTelemetry]
