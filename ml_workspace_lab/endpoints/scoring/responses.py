"""The bytes of an answer's head."""

import re
import time
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus

from ml_workspace_lab._version import __version__

JSON_LINE = "Content-Type: application/json\r\n"
FINE_LINE = "x-ms-run-function-failed: False\r\n"
FAILED_LINE = "x-ms-run-function-failed: True\r\n"
_STATUS_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n" for one in HTTPStatus}
_ALWAYS = (
    f"X-Content-Type-Options: nosniff\r\nx-ms-server-version: ml-workspace-lab/{__version__}\r\n"
)
_WITHOUT_BODY = (204, 304)
_UNFIT = re.compile("[\r\n\0]")


def head(status: int, lines: str, length: int) -> bytes:
    """Status line and header fields, with the empty line; `lines` are the answer's own."""
    first = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unnamed\r\n"
    counted = "" if status in _WITHOUT_BODY else f"Content-Length: {length}\r\n"
    return f"{first}{_clock.line()}{_ALWAYS}{lines}{counted}\r\n".encode("latin-1")


def has_body(status: int) -> bool:
    return status not in _WITHOUT_BODY


def fields(given: Sequence[tuple[str, str]]) -> str:
    """Header fields as lines. Raises ValueError where one would become more than one line, or has
    characters that headers can't have."""
    for name, value in given:
        if _UNFIT.search(name) or _UNFIT.search(value):
            raise ValueError(f"The header {name[:100]!r} has a line break in it.")
    lines = "".join(f"{name}: {value}\r\n" for name, value in given)
    lines.encode("latin-1")
    return lines


class _Clock:
    """The header `Date`, spelled once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = ""

    def line(self) -> str:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = f"Date: {formatdate(now, usegmt=True)}\r\n"
        return self._line


_clock = _Clock()
