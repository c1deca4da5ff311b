"""Asking scoring processes the same thing over several connections, and how long answers take."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from ml_workspace_lab.errors import ScoringFailed

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
PATIENCE_SECONDS = 60.0
"""How long one answer may take at most."""


@dataclass
class Asked:
    """What came of asking: how long each answer took, in seconds, and how long all of it."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile_ms(self, share: float) -> float:
        """What this share of the answers took at most, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def request(body: bytes, key: str) -> bytes:
    """A request to score, as it goes over the line."""
    head = (
        f"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def ask(ports: Sequence[int], sent: bytes, connections: int, seconds: float) -> Asked:
    """Ask over so many connections, to one port after the other, for so long; each of them sends
    its next request once it has the answer to the last. Raises ScoringFailed with the answer that
    is none."""
    work = _Work(ports, sent, connections, seconds)
    with ThreadPoolExecutor(1) as thread:  # where there is an event loop already, as in a notebook
        try:
            return thread.submit(asyncio.run, work.do()).result()
        except BaseException:
            work.stop()
            raise


class _Work:
    """Asking once, in a thread of its own."""

    def __init__(self, ports: Sequence[int], sent: bytes, connections: int, seconds: float) -> None:
        self._ports = ports
        self._sent = sent
        self._connections = connections
        self._seconds = seconds
        self._asked = Asked()
        self._is_stopped = False
        self._stop: Callable[[], object] = bool

    def stop(self) -> None:
        """End it, from another thread, also where it has not begun yet."""
        self._is_stopped = True
        with suppress(RuntimeError):  # it has ended
            self._stop()

    async def do(self) -> Asked:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._stop = partial(loop.call_soon_threadsafe, task.cancel)
        if self._is_stopped:
            return self._asked
        askers: list[_Asker] = []
        try:
            await asyncio.wait_for(self._ask(askers), self._seconds + PATIENCE_SECONDS)
        except TimeoutError:
            raise ScoringFailed(f"An answer took more than {PATIENCE_SECONDS:.0f} s.") from None
        except OSError as error:
            raise ScoringFailed(f"The scoring process does not answer: {error}.") from None
        finally:
            for asker in askers:
                asker.close()
        return self._asked

    async def _ask(self, askers: "list[_Asker]") -> None:
        connect = asyncio.get_running_loop().create_connection
        for at in range(self._connections):
            port = self._ports[at % len(self._ports)]
            _, asker = await connect(lambda: _Asker(self._sent, self._asked), "127.0.0.1", port)
            askers.append(asker)
        began = time.perf_counter()
        for asker in askers:
            asker.begin(began + self._seconds)
        await asyncio.gather(*(asker.over for asker in askers))
        self._asked.seconds = time.perf_counter() - began


class _Asker(asyncio.Protocol):
    """One connection."""

    def __init__(self, sent: bytes, asked: Asked) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sent = sent
        self._asked = asked
        self._got = b""
        self._until = self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def begin(self, until: float) -> None:
        """Ask again and again, until that moment."""
        self._until = until
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(HEAD_END)
        if end < 0:
            return
        head = self._got[:end]
        size = end + len(HEAD_END) + _length(head)
        if len(self._got) < size:
            return
        now = time.perf_counter()
        answer, self._got = self._got[end + len(HEAD_END) : size], self._got[size:]
        if not head.startswith(b"HTTP/1.1 200"):
            status = head.partition(b"\r\n")[0].decode("latin-1")
            self._fail(ScoringFailed(f"{status}: {answer[:2000].decode('utf-8', 'replace')}"))
            return
        self._asked.latencies.append(now - self._began)
        if now < self._until:
            self._ask()
        elif not self.over.done():
            self.over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ScoringFailed(f"The scoring process has closed the connection: {exc or 'end'}."))

    def close(self) -> None:
        """Let go of the connection; what went wrong with it has been told, or nobody asks."""
        if not self.over.cancel() and not self.over.cancelled():
            self.over.exception()
        if self._transport is not None:
            self._transport.abort()

    def _ask(self) -> None:
        assert self._transport is not None
        self._began = time.perf_counter()
        self._transport.write(self._sent)

    def _fail(self, error: Exception) -> None:
        if not self.over.done():
            self.over.set_exception(error)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(LENGTH):
            return int(line[len(LENGTH) :])
    return 0
