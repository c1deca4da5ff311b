"""The calls about assessments of traces."""

from typing import Any

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.mlflow import trace_entities, traces
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.trace_entities import AssessmentIn
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.tracing.model import Assessment, UpdateAssessment

_NAMES = {"assessment_name": "name", "rationale": "rationale", "valid": "valid"}


class Create(Struct):
    assessment: AssessmentIn


class Update(Struct):
    assessment: AssessmentIn
    update_mask: str


def create(request: Request) -> Response:
    new = trace_entities.new_assessment(body(request, Create).assessment)
    info = traces.find(request.connection, request.path["trace_id"])
    made = request.connection.assessments.create(info.trace_id, new)
    return answer(assessment=trace_entities.assessment(made))


def get(request: Request) -> Response:
    return answer(assessment=trace_entities.assessment(_find(request)))


def update(request: Request) -> Response:
    """Change what the mask names."""
    call = body(request, Update)
    present = _find(request)
    changes: dict[str, Any] = {}
    for path in call.update_mask.split(","):
        word = _snake(path.strip())
        if word in ("feedback", "expectation"):
            kind, changes["content"] = trace_entities.content_of(call.assessment)
            if kind != present.kind:
                raise InvalidInput(
                    f"Cannot update {word} value on a {present.kind} assessment.", field=word
                )
        elif word == "metadata":
            changes["metadata"] = {**present.metadata, **call.assessment.metadata}
        elif word in _NAMES:
            changes[_NAMES[word]] = getattr(call.assessment, word)
        else:
            raise InvalidInput(f"update_mask: {path[:80]!r} can't be changed.", field="update_mask")
    changed = request.connection.assessments.update(
        present.trace_id, present.assessment_id, UpdateAssessment(**changes)
    )
    return answer(assessment=trace_entities.assessment(changed))


def delete(request: Request) -> Response:
    """Take it away; one that isn't there is gone already."""
    try:
        found = _find(request)
    except NotFound:
        return NOTHING
    request.connection.assessments.delete(found.trace_id, found.assessment_id)
    return NOTHING


def _find(request: Request) -> Assessment:
    info = traces.find(request.connection, request.path["trace_id"])
    wanted = request.path["assessment_id"]
    for one in info.assessments:
        if one.assessment_id == wanted:
            return one
    raise NotFound(
        f"Assessment with ID '{wanted}' not found for trace '{info.trace_id}'",
        field="assessment_id",
    )


def _snake(name: str) -> str:
    """Field masks are written in camel case."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


_ALL = r"traces/(?P<trace_id>[^/]+)/assessments"
_ONE = _ALL + r"/(?P<assessment_id>[^/]+)"
CALLS = (
    ("POST", _ALL, create),
    ("GET", _ONE, get),
    ("PATCH", _ONE, update),
    ("DELETE", _ONE, delete),
)
