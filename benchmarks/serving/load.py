"""The load: a number of connections, each of which asks again as soon as it is answered."""

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable
from typing import NamedTuple, cast

import uvloop


class Load(NamedTuple):
    """Answers a second, the median in milliseconds, the 99th percentile, how many answers were none
    of 200, and the share of a core that the load itself took."""

    rate: float
    p50: float
    p99: float
    failed: int
    busy: float


class Client(asyncio.Protocol):
    """One connection. Written for speed: what it needs of an answer is its status and length."""

    def __init__(
        self,
        request: bytes,
        times: array,  # type: ignore[type-arg]
        open_: Callable[["Client"], Awaitable[object]],
    ) -> None:
        self._request = request
        self._open = open_
        self._times = times
        self._held = b""
        self._asked = 0.0
        self.failed = 0
        self.goes_on = True
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        """Some servers close a connection after an answer: the next request opens another."""
        if self.ended.done():
            return
        if self._held:
            self.ended.set_exception(error or ConnectionError("cut in the middle of an answer"))
        elif self.goes_on:
            self._again = asyncio.ensure_future(self._ask_anew())
        else:
            self.ended.set_result(None)

    async def _ask_anew(self) -> None:
        try:
            await self._open(self)
        except OSError as error:
            self.ended.set_exception(error)

    def data_received(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) - end - 4 < _length(data):
            self._held = data
            return
        self._held = b""
        self._times.append(time.perf_counter() - self._asked)
        self.failed += data[9:12] != b"200"
        if self.goes_on:
            self._ask()
        else:
            self.ended.set_result(None)
            self._transport.close()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)


def _length(data: bytes) -> int:
    at = data.find(b"ontent-")
    while data[at + 7 : at + 14].lower() != b"length:":
        at = data.index(b"ontent-", at + 1)
    return int(data[at + 14 : data.index(b"\r", at)])


def measure(port: int, request: bytes, connections: int, seconds: float) -> Load:
    """Ask for so long, after a fifth of that which does not count."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(port, request, connections, seconds))


async def _measure(port: int, request: bytes, connections: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    times = array("d")
    clients = []

    async def connect(client: Client) -> None:
        await loop.create_connection(lambda: client, "127.0.0.1", port)

    for _ in range(connections):
        client = Client(request, times, connect)
        await connect(client)
        clients.append(client)
    await asyncio.sleep(max(seconds / 5, 1))
    before, began, used = len(times), time.perf_counter(), time.process_time()
    failed = sum(client.failed for client in clients)
    await asyncio.sleep(seconds)
    took, used = time.perf_counter() - began, time.process_time() - used
    counted = sorted(times[before:])
    failed = sum(client.failed for client in clients) - failed
    for client in clients:
        client.goes_on = False
    await asyncio.gather(*(client.ended for client in clients))
    p50, p99 = (1000 * counted[int(len(counted) * q)] for q in (0.5, 0.99))
    return Load(len(counted) / took, p50, p99, failed, used / took)
