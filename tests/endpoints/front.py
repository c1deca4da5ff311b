"""A front in a thread of the test's own process, and raw bytes sent to it."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvloop

from ml_workspace_lab.endpoints.folder import Deployment
from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.endpoints.scoring.front import Front
from ml_workspace_lab.endpoints.scoring.pages import Served
from ml_workspace_lab.endpoints.scoring.scorer import Scorer
from ml_workspace_lab.endpoints.scoring.settings import Settings
from ml_workspace_lab.models.packages.keys import FixedKeys

KEY = "the key"
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Running:
    """A front that takes requests."""

    def __init__(self, front: Front, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.front, self.loop, self.port = front, loop, port
        self.root = f"http://127.0.0.1:{port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def exchange(self, sent: bytes) -> bytes:
        """Everything that comes back until the front closes, when the client has said all."""
        with self.connect() as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def read_some(connection: socket.socket, end: bytes) -> bytes:
    """What comes until there is that end."""
    found = b""
    while not found.endswith(end):
        part = connection.recv(1 << 16)
        assert part, found
        found += part
    return found


def post(body: bytes, *headers: str, path: str = "/score", key: str = KEY) -> bytes:
    """The bytes of a request."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", *headers]
    if not any(line.startswith("Transfer-Encoding") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def bodies(answers: bytes) -> list[bytes]:
    """The bodies of answers that came one after the other."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        [size] = [int(x[16:]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length: ")]
        found.append(rest[:size])
        answers = rest[size:]
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


@contextmanager
def running(
    scorer: Scorer, requests: RequestSettings | None = None, loop: str = "uvloop"
) -> Iterator[Running]:
    """A front for a scorer, in a loop of the kind that is named; gone at the end."""
    made = LOOPS[loop]()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    port = listening.getsockname()[1]
    deployment = Deployment("an-endpoint", 'a "model"', 3, port, has_script=False, python="")
    limits = requests or RequestSettings()
    settings = Settings(limits, limits.request_timeout_ms or 60_000)
    served = Served(deployment, scorer, FixedKeys([KEY]), settings)

    async def begin() -> Front:
        front = Front(served)
        await front.open(listening)
        return front

    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    front = asyncio.run_coroutine_threadsafe(begin(), made).result(30)
    try:
        yield Running(front, made, port)
    finally:

        async def leave() -> None:
            front.stop()
            await front.finish(patient=False)

        asyncio.run_coroutine_threadsafe(leave(), made).result(30)
        made.call_soon_threadsafe(made.stop)
        thread.join(30)
        made.close()
