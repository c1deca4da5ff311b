"""Services: a port of this machine each, whose connections go to pods that are ready."""

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress


class Balancer:
    """Listeners on a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers: dict[str, asyncio.Server] = {}

    def listen(self, name: str, ports: Callable[[], Sequence[int]]) -> int:
        """Where a Service's connections are taken; `ports` are those of its pods at the time."""

        async def begin() -> int:
            self._servers[name] = await asyncio.start_server(
                lambda reader, writer: _serve(reader, writer, ports), "127.0.0.1", 0
            )
            port: int = self._servers[name].sockets[0].getsockname()[1]
            return port

        return asyncio.run_coroutine_threadsafe(begin(), self._loop).result(10)

    def forget(self, name: str) -> None:
        self._loop.call_soon_threadsafe(self._servers.pop(name).close)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    ports: Callable[[], Sequence[int]],
) -> None:
    able = list(ports())
    if not able:
        writer.transport.abort()
        return
    try:
        there = await asyncio.open_connection("127.0.0.1", random.choice(able))
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    with suppress(OSError):
        writer.close()
