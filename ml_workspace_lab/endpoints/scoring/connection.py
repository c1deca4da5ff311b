"""A client's connection: its requests are answered one by one, in their order."""

import asyncio
import os
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from ml_workspace_lab.endpoints.scoring.reader import Reader
from ml_workspace_lab.endpoints.scoring.request import Refusal, Request
from ml_workspace_lab.endpoints.scoring.responses import has_body, head
from ml_workspace_lab.endpoints.scoring.wards import Held, Wards, consumed

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.site import Site

STALL_SECONDS = 60.0
"""Within which a head is there, and between two parts of a body, or of an answer that is read."""
IDLE_SECONDS = 600.0
LINGER_SECONDS = 5.0
"""For how long more is read and thrown away, so that who sends it can read the answer."""
GONE = Refusal(503, "The process that had begun with the request is gone", "Retry-After: 1\r\n")
_SENT_AS_ONE = 64 * 1024
_CLOSE, _KEEP = "Connection: close\r\n", "Connection: keep-alive\r\n"


class Connection(asyncio.Protocol):
    """Reads requests also while one is being answered, and then no more until it is their turn.
    Where an answer `is_due`, the process that has read the request is dead. What is `held` is so
    by another worker, too."""

    _transport: asyncio.Transport

    def __init__(
        self,
        site: "Site",
        *,
        is_inner: bool = False,
        held: Held | None = None,
        is_due: bool = False,
    ) -> None:
        self.is_inner = is_inner
        self._is_due = is_due
        self._held = held
        self._site = site
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(site, self)
        self._current: Request | None = None
        self._queue: deque[Request] = deque()
        self._since = self._loop.time()
        self._reads = True
        self._writes = True
        self._unsent = 0
        self._goes_on = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._site.connections.add(self)
        if self._is_due:
            self._reader.refuse_rest(GONE)

    def connection_lost(self, _: Exception | None) -> None:
        self._site.connections.discard(self)
        if self._held is not None:
            self._held.drop()
        self._reader.close()
        self._forget_queue()
        if self._current is not None:
            self._current.is_gone = True

    def data_received(self, data: bytes) -> None:
        if self._held is not None:
            self._held.received += len(data)
        if not self._reader.is_within_head:
            self._since = self._loop.time()
        self._reader.feed(data)

    def eof_received(self) -> bool:
        """The client has said all; whether the connection stays, for answers that are due."""
        self._reader.is_over = True
        last = self._queue[-1] if self._queue else self._current
        if last is None:
            return False
        last.keep_alive = False
        return True

    def pause_writing(self) -> None:
        self._writes = False
        self._since = self._loop.time()
        self._unsent = self._transport.get_write_buffer_size()
        self._stop_reading()

    def resume_writing(self) -> None:
        self._writes = True
        self._go_on()

    # What other workers are for.

    def hold(self, wards: Wards) -> None:
        """Have it held from now on."""
        given = self._transport.get_extra_info("socket")
        if self._held is not None or self.is_inner or given is None:
            return
        with suppress(OSError), socket.socket(fileno=os.dup(given.fileno())) as same:
            is_idle = self._is_answered()
            self._held = wards.hold(given.fileno(), consumed(same), is_idle=is_idle)

    def give_up(self) -> None:
        """It has not come about."""
        if self._held is not None:
            self._held.drop()

    # What the reader calls.

    def take(self, request: Request) -> None:
        if self._current is None and self._writes:
            self._current = request
            self._site.serve(request)
        else:
            self._queue.append(request)
            self._stop_reading()

    def go_ahead(self) -> None:
        if self._current is None:  # Else it would stand before the answer that is due.
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def answer(self, request: Request, status: int, lines: str, body: bytes) -> None:
        """Send the answer to the request that is being answered, then go on with the next one."""
        is_last = not request.keep_alive or (self._is_to_end() and not self._queue)
        if is_last:
            lines += _CLOSE
            self._site.has_let_go()
        elif b"connection" in request.named:
            lines += _KEEP  # Clients of HTTP/1.0 wait for the word.
        first = head(status, lines, len(body))
        self._site.record(request, status, lines, body)
        self._current = None
        if request.is_gone:
            return
        if request.method == "HEAD" or not has_body(status):
            body = b""
        if self._held is not None:
            self._send_held(self._held, first, body)
        elif len(body) > _SENT_AS_ONE:
            self._transport.write(first)
            self._transport.write(body)
        else:
            self._transport.write(first + body)
        self._since = self._loop.time()
        if is_last:
            self._end()
        else:
            self._go_on()

    @property
    def current(self) -> Request | None:
        """The request whose answer is due."""
        return self._current

    def sweep(self, now: float) -> None:
        """Close it where it has been waited for too long."""
        waited = now - self._since
        if not self._writes:
            unsent = self._transport.get_write_buffer_size()
            if unsent < self._unsent:
                self._since, self._unsent = now, unsent
            elif waited > STALL_SECONDS:
                self._transport.abort()
        elif self._current is None and not self._reader.is_over:
            if not self._reader.is_within_request:
                if waited > IDLE_SECONDS:
                    self.close()
            elif waited > STALL_SECONDS:
                self._reader.refuse_rest(Refusal(408, "The request did not come to its end"))

    def close(self) -> None:
        self._reader.is_over = True
        self._transport.close()

    def _is_to_end(self) -> bool:
        """Whether the client is better off with a new connection, which another process takes."""
        return self._site.leaving or (self._site.lets_go and not self.is_inner)

    def _is_answered(self) -> bool:
        """Whether no answer is due for anything that has been read."""
        return self._current is None and not self._queue and not self._reader.is_within_request

    def _send_held(self, held: Held, first: bytes, body: bytes) -> None:
        """Send at once, so that the number that says what is answered is right."""
        if self._transport.get_write_buffer_size() or self._transport.is_closing():
            held.breaks()
            self._transport.write(first + body)
        elif rest := held.send(first + body, is_all=self._is_answered()):
            self._transport.write(rest)

    def _go_on(self) -> None:
        """With the next request that is there already, else with reading."""
        if self._goes_on:
            return  # It was answered at once, and the loop below goes on.
        self._goes_on = True
        while self._queue and self._current is None and self._writes:
            self._current = self._queue.popleft()
            self._site.serve(self._current)
        self._goes_on = False
        if not self._queue and self._writes and not self._reads and not self._reader.is_over:
            self._reads = True
            self._transport.resume_reading()

    def _stop_reading(self) -> None:
        if self._reads and not self._reader.is_over:
            self._reads = False
            self._transport.pause_reading()

    def _end(self) -> None:
        """Close when all is sent; where the client may be sending still, a little later, since the
        answer would be lost otherwise."""
        self._reader.is_over = True
        self._forget_queue()
        if not self._reader.is_early or self._transport.is_closing():
            self._transport.close()
            return
        self._transport.write_eof()
        self._loop.call_later(LINGER_SECONDS, self._transport.abort)
        if not self._reads:
            self._reads = True
            self._transport.resume_reading()

    def _forget_queue(self) -> None:
        """What came after the last request that is answered."""
        for _ in self._queue:
            self._site.ended()
        self._queue.clear()
