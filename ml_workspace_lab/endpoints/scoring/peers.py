"""Connections that are kept to the processes of other deployments, for one request at a time."""

import asyncio
import socket
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any, NamedTuple, cast

from httptools import HttpParserError, HttpResponseParser

MAX_IDLE = 64
"""Connections to one process that are kept though nothing goes over them."""
IDLE_SECONDS = 60.0
"""For how long: shorter than the other side keeps them, so that none is closed under a request."""
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10
"""After which a machine is asked whether it is still there; three times, and it is not."""
LOOPBACK = "127.0.0.1"


class Answer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Missing(Enum):
    """Why there is no answer: the request was never sent, or the process is gone since."""

    UNREACHED = "unreached"
    LOST = "lost"


Then = Callable[[Answer | Missing], None]


class Peers:
    """The processes that requests are handed over to, by their port on `host`; connections that
    nothing went over for `idle_seconds` are asked nothing more."""

    def __init__(self, host: str = LOOPBACK, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._host = host
        self._idle_seconds = idle_seconds
        self._idle: dict[int, list[Peer]] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    def ask(self, port: int, request: bytes, then: Then) -> None:
        """Send a request and have `then` called with its answer, later."""
        kept = self._idle.setdefault(port, [])
        while kept:
            peer = kept.pop()
            if self._is_fresh(peer, asyncio.get_running_loop().time()):
                peer.ask(request, then)
                return
            peer.close()
        task = asyncio.get_running_loop().create_task(self._connect(port, request, then))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def keep_only(self, ports: Collection[int]) -> None:
        """Close what leads elsewhere; what is being answered there is waited for."""
        for port in [port for port in self._idle if port not in ports]:
            for peer in self._idle.pop(port):
                peer.close()

    def sweep(self, now: float) -> None:
        for kept in self._idle.values():
            for peer in [peer for peer in kept if not self._is_fresh(peer, now)]:
                kept.remove(peer)
                peer.close()

    def put_back(self, peer: "Peer") -> None:
        """It has been answered and can be asked again."""
        kept = self._idle.get(peer.port)
        if kept is None or len(kept) >= MAX_IDLE:
            peer.close()
        else:
            kept.append(peer)

    def forget(self, peer: "Peer") -> None:
        kept = self._idle.get(peer.port, [])
        if peer in kept:
            kept.remove(peer)

    def _is_fresh(self, peer: "Peer", now: float) -> bool:
        return now - peer.idle_since <= self._idle_seconds

    async def _connect(self, port: int, request: bytes, then: Then) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, peer = await asyncio.get_running_loop().create_connection(
                    lambda: Peer(self, port), self._host, port
                )
        except OSError:
            then(Missing.UNREACHED)
        else:
            peer.ask(request, then)


class Peer(asyncio.Protocol):
    """One connection to a process."""

    _transport: asyncio.Transport

    def __init__(self, peers: Peers, port: int) -> None:
        self.port = port
        self.idle_since = 0.0
        self._peers = peers
        self._parser = HttpResponseParser(self)
        self._then: Then | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()

    def ask(self, request: bytes, then: Then) -> None:
        self._then = then
        self._headers = []
        self._body = bytearray()
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        _notice_silence(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._peers.forget(self)
        if self._then is not None:
            self._end(Missing.LOST)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        parser = self._parser
        answer = Answer(parser.get_status_code(), self._headers, bytes(self._body))
        self._body = bytearray()
        if parser.should_keep_alive() and not self._transport.is_closing():
            self.idle_since = asyncio.get_running_loop().time()
            then, self._then = self._then, None
            self._peers.put_back(self)
            if then is not None:
                then(answer)
        else:
            self._end(answer)
            self._transport.close()

    def _end(self, outcome: Answer | Missing) -> None:
        then, self._then = self._then, None
        if then is not None:
            then(outcome)


def _notice_silence(connection: Any) -> None:
    """Have a connection fail whose other end is gone without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL"):  # as the system calls it
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, SILENCE_SECONDS)
    if (option := getattr(socket, "TCP_KEEPCNT", None)) is not None:
        connection.setsockopt(socket.IPPROTO_TCP, option, 3)
