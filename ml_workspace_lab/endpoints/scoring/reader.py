"""Bytes into requests, by llhttp's parser: limits, bodies that are waited for, other protocols."""

from typing import TYPE_CHECKING, Protocol

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from ml_workspace_lab.endpoints.model import MAX_BODY
from ml_workspace_lab.endpoints.scoring.request import Refusal, Request, Way, too_large

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.site import Site

MAX_HEAD = 64 * 1024
MAX_DISCARDED = 16 * MAX_BODY
"""One who sends more than a body may have can read why it is refused, up to here."""
HEAD_TOO_LONG = Refusal(431, f"The head must not exceed {MAX_HEAD} bytes")


class Receiver(Way, Protocol):
    """Gets what is read."""

    def take(self, request: Request) -> None:
        """Answer a request that is there as a whole."""

    def go_ahead(self) -> None:
        """Tell a client that its body is waited for."""


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...
    def get_method(self) -> bytes: ...
    def should_keep_alive(self) -> bool: ...
    def should_upgrade(self) -> bool: ...


class Reader:
    """Reads the requests of one connection. `is_over` says that what comes is thrown away,
    `is_early` that the client may be sending still what nobody reads."""

    def __init__(self, site: "Site", receiver: Receiver) -> None:
        self.is_over = False
        self.is_early = False
        self._site = site
        self._receiver = receiver
        self._parser: _Parser | None = HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head = 0
        """The bytes that came since the last request, while a head is read; -1 in a body."""
        self._part = 0
        self._incoming: Request | None = None
        self._declines_upgrade = False

    @property
    def is_within_head(self) -> bool:
        return self._head > 0

    @property
    def is_within_request(self) -> bool:
        return self._head != 0

    def feed(self, data: bytes) -> None:
        """Read what has come."""
        if self.is_over:
            return
        self._part = len(data)
        if self._head >= 0:
            self._head += self._part
        self._parse(data)
        if self._head > MAX_HEAD and not self.is_over:
            self.refuse_rest(HEAD_TOO_LONG)

    def refuse_rest(self, refusal: Refusal) -> None:
        """Have what can't be read as a request, or not to its end, answered as the last one."""
        if self._incoming is None:
            self._incoming = Request(self._receiver, "", b"", [])
            self._site.judge(self._incoming)
        self._incoming.refusal = refusal
        self._end_early(self._incoming)

    def close(self) -> None:
        """Read no more. The parser and this hold each other: let go."""
        self.is_over = True
        self._parser = None
        if self._incoming is not None:
            self._incoming = None
            self._site.ended()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        if self._head == 0:
            self._head = 1  # It began in the part in which the one before has ended.

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._declines_upgrade:
            self._declines_upgrade = False
            return
        if self.is_over:
            return
        if self._head + self._part > MAX_HEAD and self._size_of_head() > MAX_HEAD:
            self.refuse_rest(HEAD_TOO_LONG)
            return
        assert self._parser is not None
        self._head = -1
        method = self._parser.get_method().decode()
        request = Request(self._receiver, method, self._target, self._headers)
        self._site.judge(request)
        self._incoming = request
        self._declines_upgrade = self._parser.should_upgrade()
        length = int(request.named.get(b"content-length", b"0"))
        if length > request.limit and request.refusal is None:
            request.refusal = too_large(request.limit)
        expects = request.named.get(b"expect", b"").lower() == b"100-continue"
        if length > MAX_DISCARDED or (expects and request.refusal is not None):
            self._end_early(request)
        elif expects:
            self._receiver.go_ahead()

    def on_body(self, chunk: bytes) -> None:
        if (request := self._incoming) is not None:
            request.take(chunk)
            if request.size > MAX_DISCARDED:
                self._end_early(request)

    def on_message_complete(self) -> None:
        if self._declines_upgrade:
            return
        self._head = 0
        if (request := self._incoming) is not None:
            assert self._parser is not None
            self._incoming = None
            request.keep_alive = self._parser.should_keep_alive()
            self._receiver.take(request)

    def _size_of_head(self) -> int:
        return len(self._target) + sum(len(n) + len(v) + 4 for n, v in self._headers)

    def _parse(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except HttpParserInvalidMethodError:
            self.refuse_rest(Refusal(405, "Method Not Allowed"))
        except HttpParserError:
            self.refuse_rest(Refusal(400, "What came is not HTTP/1.1"))

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on as if no other protocol had been offered, as HTTP lets a server do. The parser
        takes what follows for that protocol, so another one is told how long the body is."""
        if self._incoming is None:
            return
        named = self._incoming.named
        told = [name for name in (b"content-length", b"transfer-encoding") if name in named]
        lines = b"".join(b"%b: %b\r\n" % (name, named[name]) for name in told)
        self._parser = HttpRequestParser(self)
        self._parse(b"POST / HTTP/1.1\r\n%b\r\n" % lines)
        if rest:
            self._parse(rest)

    def _end_early(self, request: Request) -> None:
        """Have a request refused without waiting for its body, as the last one."""
        self._incoming = None
        if request.refusal is None:
            request.refusal = too_large(request.limit)
        self.is_over = self.is_early = True
        self._receiver.take(request)
