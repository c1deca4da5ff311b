"""Answers as JSON."""

from typing import Any

import msgspec

from ml_workspace_lab.mlflow.wire import Response

_HEADERS = {"Content-Type": "application/json"}
_encode = msgspec.json.Encoder().encode

NOTHING = Response(200, _HEADERS, b"{}")
"""That it is done."""


def answer(**fields: Any) -> Response:
    """An object with these fields; those that are None are left out."""
    return raw(_encode({name: value for name, value in fields.items() if value is not None}))


def raw(body: bytes) -> Response:
    """JSON that is encoded already."""
    return Response(200, _HEADERS, body)
