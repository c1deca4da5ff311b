"""Traces and assessments as the protocol shows them."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.mlflow.errors import missing
from ml_workspace_lab.tracing.model import (
    Assessment,
    AssessmentKind,
    CreateAssessment,
    StartTrace,
    State,
    TraceInfo,
)
from ml_workspace_lab.tracing.service import ARTIFACTS_TAG

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_SECONDS = re.compile(r"(-?\d{1,12}(?:\.\d{1,9})?)s")
KINDS: tuple[AssessmentKind, ...] = ("feedback", "expectation", "issue")


class InExperiment(Struct):
    experiment_id: str


class Location(Struct):
    mlflow_experiment: InExperiment | None = None


class AssessmentIn(Struct):
    assessment_name: str = ""
    source: dict[str, str] = field(default_factory=dict)
    feedback: dict[str, Any] | None = None
    expectation: dict[str, Any] | None = None
    issue: dict[str, Any] | None = None
    rationale: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    span_id: str | None = None
    overrides: str | None = None
    valid: bool = True


class InfoIn(Struct):
    trace_id: str
    request_time: str
    trace_location: Location | None = None
    execution_duration: str | None = None
    state: State = "STATE_UNSPECIFIED"
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    trace_metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    assessments: list[AssessmentIn] = field(default_factory=list)


class TraceIn(Struct):
    trace_info: InfoIn


def started(given: InfoIn) -> StartTrace:
    """What a client says of a trace, as we keep it."""
    return StartTrace(
        trace_id=given.trace_id,
        created=_milliseconds(given.request_time),
        duration_ms=None if given.execution_duration is None else _duration(given),
        state=given.state,
        client_request_id=given.client_request_id or None,
        request_preview=given.request_preview,
        response_preview=given.response_preview,
        tags=given.tags,
        metadata=given.trace_metadata,
        assessments=[new_assessment(one) for one in given.assessments],
    )


def new_assessment(given: AssessmentIn) -> CreateAssessment:
    kind, content = content_of(given)
    return CreateAssessment(
        kind=kind,
        name=given.assessment_name or kind,
        content=content,
        source=given.source,
        rationale=given.rationale,
        metadata=given.metadata,
        span_id=given.span_id or None,
        overrides=given.overrides or None,
    )


def content_of(given: AssessmentIn) -> tuple[AssessmentKind, dict[str, Any]]:
    """Which of its kinds an assessment is, and what it says."""
    for kind in KINDS:
        content: dict[str, Any] | None = getattr(given, kind)
        if content is not None:
            packed = content.get("serialized_value")
            if packed is not None:
                return kind, {"value": _unpacked(packed)}
            return kind, content
    raise missing("assessment.feedback")


def tags(trace: TraceInfo) -> dict[str, str]:
    """Its tags, and the one that tells clients where its files go."""
    location = f"mlflow-artifacts:/{trace.experiment_number}/traces/{trace.trace_id}/artifacts"
    return {ARTIFACTS_TAG: location, **trace.tags}


def info(trace: TraceInfo) -> dict[str, Any]:
    found: dict[str, Any] = {
        "trace_id": trace.trace_id,
        "client_request_id": trace.client_request_id,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": str(trace.experiment_number)},
        },
        "request_preview": trace.request_preview,
        "response_preview": trace.response_preview,
        "request_time": _stamp(trace.created),
        "execution_duration": _seconds(trace.duration_ms),
        "state": trace.state,
        "trace_metadata": trace.metadata,
        "tags": tags(trace),
        "assessments": [assessment(one) for one in trace.assessments],
    }
    return {name: value for name, value in found.items() if value is not None}


def encoded(trace: TraceInfo) -> bytes:
    return msgspec.json.encode(info(trace))


def assessment(one: Assessment) -> dict[str, Any]:
    found: dict[str, Any] = {
        "assessment_id": one.assessment_id,
        "assessment_name": one.name,
        "trace_id": one.trace_id,
        "span_id": one.span_id,
        "source": one.source,
        "create_time": _stamp(one.created),
        "last_update_time": _stamp(one.updated),
        one.kind: _packed(one),
        "rationale": one.rationale,
        "metadata": one.metadata,
        "overrides": one.overrides,
        "valid": one.valid,
    }
    return {name: value for name, value in found.items() if value is not None}


def _packed(one: Assessment) -> dict[str, Any]:
    """An expectation of several values travels as JSON in a text, as clients read it."""
    value = one.content.get("value")
    if one.kind == "expectation" and isinstance(value, list | dict):
        packed = {"serialization_format": "JSON_FORMAT", "value": json.dumps(value)}
        return {"serialized_value": packed}
    return one.content


def _unpacked(packed: Any) -> Any:
    try:
        return json.loads(packed["value"])
    except (KeyError, TypeError, ValueError):
        raise InvalidInput("serialized_value: is no JSON.", field="expectation") from None


def _milliseconds(stamp: str) -> int:
    match = _STAMP.fullmatch(stamp)
    if match is None:
        raise _no_time(stamp)
    whole, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(whole + ("+00:00" if zone == "Z" else zone))
    except ValueError:
        raise _no_time(stamp) from None
    milliseconds = int(((fraction or ".") + "000")[1:4])
    return (moment - _EPOCH) // timedelta(milliseconds=1) + milliseconds


def _no_time(stamp: str) -> InvalidInput:
    return InvalidInput(f"request_time: {shown(stamp)} is no time.", field="request_time")


def _duration(given: InfoIn) -> int:
    match = _SECONDS.fullmatch(given.execution_duration or "")
    if match is None:
        raise InvalidInput("execution_duration: is no duration.", field="execution_duration")
    return round(float(match[1]) * 1000)


def moment(milliseconds: int) -> datetime:
    """A time of the calendar; one that none has becomes the nearest."""
    limits = (-62_135_596_800_000, 253_402_300_799_999)
    return _EPOCH + timedelta(milliseconds=max(limits[0], min(limits[1], milliseconds)))


def _stamp(milliseconds: int) -> str:
    """A time as protocol buffers write it."""
    when = moment(milliseconds)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z"


def _seconds(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else f"{milliseconds / 1000:.3f}s"
