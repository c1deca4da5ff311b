"""A request as it was received, and the way back for its answer."""

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ml_workspace_lab.endpoints.scoring.call import Call
from ml_workspace_lab.endpoints.scoring.responses import FAILED_LINE, FINE_LINE, JSON_LINE

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.pages import Page

MAX_ID = 100
_IDS = (b"x-request-id", b"x-ms-request-id", b"x-ms-client-request-id")


class Way(Protocol):
    """Takes the answer of a request back to who asked. `is_inner`: another deployment, which has
    got the request and has settled who is to answer it."""

    is_inner: bool

    def answer(self, request: "Request", status: int, lines: str, body: bytes) -> None: ...


class Refusal(NamedTuple):
    """Why a request is not answered otherwise; `lines` are header fields of its own."""

    status: int
    message: str
    lines: str = ""


class Request:
    """One request. `refusal` is known before the body is there, which is thrown away then; `limit`
    is how long the body may be, `is_trusted` whether the workspace itself asks, `is_let_in` whether
    a browser's page may read the answer. `bound_for` is another deployment that is to answer,
    `is_picked` says that the request names who is to; `copied_to` is one that gets a copy."""

    __slots__ = (
        "_way", "arguments", "began", "body", "bound_for", "copied_to", "headers", "is_gone",
        "is_let_in", "is_picked", "is_trusted", "keep_alive", "limit", "lines", "method", "named",
        "page", "refusal", "size", "target",
    )  # fmt: skip

    page: "Page"

    def __init__(
        self, way: Way, method: str, target: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        self.began = perf_counter()
        self.method = method
        self.target = target
        self.headers = headers
        self.named = {name.lower(): value for name, value in headers}
        if len(self.named) < len(headers):
            self.named = _joined(headers)
        self.arguments: tuple[str | None, ...] = ()
        self.refusal: Refusal | None = None
        self.body: bytes | bytearray = b""
        self.size = 0
        self.limit = 0
        self.lines = ""
        self.keep_alive = False
        self.is_trusted = False
        self.is_gone = False
        self.is_let_in = False
        self.is_picked = False
        self.bound_for: str | None = None
        self.copied_to: str | None = None
        self._way = way

    @property
    def is_inner(self) -> bool:
        return self._way.is_inner

    @property
    def own_id(self) -> str:
        """The name that the answer gives the request; "" where it gives none."""
        return self.lines.partition("x-request-id: ")[2].partition("\r\n")[0]

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    def header(self, name: bytes) -> str:
        """The value of a header field, whose name is in small letters; "" where there is none."""
        return self.named.get(name, b"").decode("latin-1")

    def name_itself(self) -> str | None:
        """Give the answer the request's names: the server's, the client's, and the older one that
        stands for either. Returns what is wrong with them."""
        named = self.named
        if _IDS[0] not in named and _IDS[1] not in named and _IDS[2] not in named:
            own = _new_id()
            self.lines = f"x-request-id: {own}\r\nx-ms-request-id: {own}\r\n"
        else:
            own, older, client = (self.header(name) for name in _IDS)
            own, client = own or _new_id(), client or older
            names = {
                "x-request-id": own,
                "x-ms-client-request-id": client,
                "x-ms-request-id": older or client or own,
            }
            for name, value in names.items():
                if len(value) > MAX_ID:
                    return f"{name} must not exceed {MAX_ID} characters"
                if value:
                    self.lines += f"{name}: {value}\r\n"
        if b"traceid" in named:
            self.lines += f"TraceId: {self.header(b'traceid')}\r\n"
        return None

    def take(self, chunk: bytes) -> None:
        """Keep a part of the body, as long as it will be read; refuse it where it is too long."""
        self.size += len(chunk)
        if self.refusal is not None:
            return
        if self.size > self.limit:
            self.refusal = too_large(self.limit)
            self.body = b""
        elif not self.body:
            self.body = chunk
        else:
            if isinstance(self.body, bytes):
                self.body = bytearray(self.body)
            self.body += chunk

    def call(self) -> Call:
        """The request for a scorer."""
        headers = [(_spelled(name), value.decode("latin-1")) for name, value in self.headers]
        return Call(bytes(self.body), self.method, self.target.decode("latin-1"), headers)

    def answer(self, status: int, lines: str, body: bytes = b"") -> None:
        """Send the answer; `lines` are header fields of its own."""
        self._way.answer(self, status, self.lines + lines, body)

    def pass_on(self, status: int, lines: str, body: bytes) -> None:
        """Send the answer of another deployment, whose header fields are all in `lines`."""
        self._way.answer(self, status, lines, body)

    def answer_json(self, status: int, value: Any, lines: str = "") -> None:
        """Send a small JSON value."""
        told = lines if FAILED_LINE in lines else FINE_LINE + lines
        self.answer(status, told + JSON_LINE, json.dumps(value).encode())


def too_large(limit: int) -> Refusal:
    size = f"{limit // 1024**2} MiB" if limit >= 1024**2 else f"{limit} bytes"
    return Refusal(413, f"The body is over the limit of {size}")


def _joined(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Fields that stand more than once have their values joined by commas, as HTTP has it."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = found[key] + b"," + value if key in found else value
    return found


@lru_cache(256)
def _spelled(name: bytes) -> str:
    """A header's name as scripts look for it, however the client wrote it: `User-Agent`."""
    return "-".join(word.capitalize() for word in name.decode("latin-1").split("-"))


def _new_id() -> str:
    """A random UUID, in less than half of the time that the standard library takes."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
