"""A request that was answered, as it is handed from the event loop to a thread that keeps it."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ml_workspace_lab.endpoints.telemetry.model import MOST_BODY

CREDENTIALS = (
    b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"api-key",
    b"ocp-apim-subscription-key",
)  # fmt: skip
"""Header fields that let somebody in."""
SHORTEST = 8
"""What is shorter is no key, and would be found in texts that have nothing to do with it."""


class Exchange(NamedTuple):
    """What is known when an answer leaves, at `moment` (seconds since the epoch). `lines` are the
    header fields of the answer, `kind` names the exception that it tells of. `body` and `answer`
    are there where a sample is made of it, unless they are too long for that."""

    moment: float
    seconds: float
    page: str
    method: str
    target: bytes
    named: dict[bytes, bytes]
    request_bytes: int
    status: int
    lines: str
    response_bytes: int
    kind: str = ""
    body: bytes | bytearray = b""
    answer: bytes = b""

    def header(self, name: bytes) -> str:
        return self.named.get(name, b"").decode("latin-1")

    def answered(self, name: str) -> str:
        """A header field of the answer; "" where there is none."""
        return answered(self.lines, name)

    def credentials(self) -> list[str]:
        """What the request was let in with, in whatever it stands."""
        found = []
        for name in CREDENTIALS:
            if value := self.header(name):
                scheme, _, rest = value.partition(" ")
                found += [value, rest.strip() or scheme]
                found += [part.partition("=")[2].strip() for part in value.split(";")]
        return [text for text in found if len(text) >= SHORTEST]


class NotKept(Exception):
    """A body can't be part of a sample; the message says why."""


def answered(lines: str, name: str) -> str:
    """The value of a header field among the lines of an answer; "" where there is none."""
    for line in lines.split("\r\n"):
        key, _, value = line.partition(": ")
        if key.lower() == name:
            return value
    return ""


class Value(NamedTuple):
    """A JSON value; or a text as it was sent, which has no fields."""

    value: Any
    is_text: bool = False


def request_value(exchange: Exchange) -> Value:
    """What was asked. Raises NotKept."""
    if exchange.method == "GET":
        return Value(_query(exchange.target))
    _check_size(exchange.request_bytes)
    media_type = _media_type(exchange.header(b"content-type"))
    if media_type == "text/csv":
        return Value(_table(_decoded(exchange.body)))
    if media_type == "application/x-www-form-urlencoded":
        return Value(_pairs(_decoded(exchange.body)))
    return _value(exchange.body, media_type)


def response_value(exchange: Exchange) -> Value:
    """What was answered. Raises NotKept."""
    _check_size(exchange.response_bytes)
    return _value(exchange.answer, _media_type(exchange.answered("content-type")))


def _check_size(size: int) -> None:
    if size > MOST_BODY:
        raise NotKept(f"it has {size} bytes, more than {MOST_BODY}")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _value(body: bytes | bytearray, media_type: str) -> Value:
    if not body:
        return Value(None)
    text = _decoded(body)
    is_called_json = media_type in ("", "application/json")
    if is_called_json or text.lstrip()[:1] in ("{", "["):
        try:
            return Value(json.loads(text))
        except (ValueError, RecursionError):
            if is_called_json:
                raise NotKept("it is not JSON") from None
    return Value(text, is_text=True)


def _decoded(body: bytes | bytearray) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise NotKept("it is not text") from None


def _query(target: bytes) -> dict[str, Any]:
    return _pairs(target.partition(b"?")[2].decode("latin-1"))


def _pairs(query: str) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _table(text: str) -> dict[str, Any]:
    import csv
    import io

    rows: Sequence[list[str]] = list(csv.reader(io.StringIO(text)))
    return {"columns": rows[0] if rows else [], "data": list(rows[1:])}
