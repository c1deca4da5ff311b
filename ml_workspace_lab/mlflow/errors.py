"""Our errors as the protocol's clients know them."""

import msgspec

from ml_workspace_lab.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    StorageFull,
    Unauthenticated,
    Unavailable,
    WorkspaceError,
)
from ml_workspace_lab.mlflow.wire import Response


class AlreadyExists(Conflict):
    """The name is taken; clients look for this code before they create."""

    status = 400


class NotOffered(InvalidInput):
    """A part of the protocol that its clients do without."""

    status = 501


class Unconvertible(InvalidInput):
    """A message of OpenTelemetry's that can be read and lacks what a trace needs."""

    status = 422


class UnknownPath(NotFound):
    """There is no such call; clients then try what an older server would have."""


CODES: tuple[tuple[type[WorkspaceError], str], ...] = (
    (AlreadyExists, "RESOURCE_ALREADY_EXISTS"),
    (NotOffered, "NOT_IMPLEMENTED"),
    (InvalidInput, "INVALID_PARAMETER_VALUE"),
    (Unauthenticated, "UNAUTHENTICATED"),
    (Denied, "PERMISSION_DENIED"),
    (UnknownPath, "ENDPOINT_NOT_FOUND"),
    (NotFound, "RESOURCE_DOES_NOT_EXIST"),
    (Conflict, "RESOURCE_CONFLICT"),
    (StorageFull, "RESOURCE_EXHAUSTED"),
    (Unavailable, "TEMPORARILY_UNAVAILABLE"),
)
"""The first that an error is one of decides."""
FIELDS = {"after": "page_token", "limit": "max_results"}
"""Fields of our own calls, as the protocol names them."""


def error_response(error: WorkspaceError, request_id: str) -> Response:
    """The answer that tells of an error. Clients read the code and the message alone."""
    code = next((code for kind, code in CODES if isinstance(error, kind)), "INTERNAL_ERROR")
    body = {"error_code": code, "message": message(error), "request_id": request_id}
    return Response(error.status, {"Content-Type": "application/json"}, msgspec.json.encode(body))


def message(error: WorkspaceError) -> str:
    """What is said of an error, with the protocol's names of fields."""
    theirs = FIELDS.get(error.field or "")
    return str(error).replace(f"{error.field}: ", f"{theirs}: ", 1) if theirs else str(error)


def missing(name: str) -> InvalidInput:
    """A field that the call can't do without."""
    return InvalidInput(f"Missing value for required parameter '{name}'.", field=name)


def invalid(name: str, value: object, reason: str) -> InvalidInput:
    """A field whose value can't be taken, in the words that clients look for."""
    return InvalidInput(
        f"Invalid value {_shown(value)} for parameter '{name}' supplied: {reason}", field=name
    )


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else f"{text[:200]}…"
