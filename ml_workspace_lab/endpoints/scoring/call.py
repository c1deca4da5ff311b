"""A request to score and the reply to it, apart from the server that they go through."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ml_workspace_lab.api import strict_json
from ml_workspace_lab.errors import InvalidInput

JSON = "application/json"


class BadInput(Exception):
    """The request is not what the model takes; the message says why, `status` is HTTP's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Call:
    """A request: `uri` is its path with the query, `headers` are pairs as they came."""

    body: bytes
    method: str = "POST"
    uri: str = "/score"
    headers: Sequence[tuple[str, str]] = field(default_factory=lambda: [("Content-Type", JSON)])

    @property
    def content_type(self) -> str:
        """The media type of the body in small letters, without parameters; "" where none is
        named."""
        return self._content_type.partition(";")[0].strip().lower()

    def require_utf_8(self) -> None:
        """Raise BadInput where the body is said to be in another character set."""
        for parameter in self._content_type.split(";")[1:]:
            name, _, value = parameter.strip().lower().partition("=")
            if name == "charset" and value.strip('"') != "utf-8":
                raise BadInput(f"Unsupported character set {value[:20]!r}; send UTF-8", 415)

    @property
    def _content_type(self) -> str:
        found = (value for name, value in self.headers if name.lower() == "content-type")
        return next(found, "")

    def parameters(self) -> dict[str, Any]:
        """The query: each value as the JSON that it spells, else as text; a list of those that
        have one name."""
        found: dict[str, list[Any]] = {}
        for name, value in parse_qsl(urlsplit(self.uri).query, keep_blank_values=True):
            found.setdefault(name, []).append(_spelled(value))
        return {name: values[0] if len(values) == 1 else values for name, values in found.items()}

    def json(self) -> Any:
        """What the body spells, or the query of a GET. Raises BadInput where that is not JSON."""
        if self.method == "GET":
            return self.parameters()
        self.require_utf_8()
        if self.content_type not in ("", JSON):
            raise BadInput(f"Unsupported media type {self.content_type!r}; send {JSON}", 415)
        return parsed(self.body)


@dataclass(frozen=True)
class Reply:
    """What goes back as it is."""

    body: bytes
    status: int = 200
    headers: Sequence[tuple[str, str]] = field(default_factory=lambda: [("Content-Type", JSON)])


def parsed(body: bytes) -> Any:
    """The JSON value of a body; raises BadInput."""
    try:
        return strict_json.loads(body)
    except InvalidInput as error:
        raise BadInput(error.message) from None


def _spelled(value: str) -> Any:
    try:
        return strict_json.loads(value.encode())
    except InvalidInput:
        return value


def as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
