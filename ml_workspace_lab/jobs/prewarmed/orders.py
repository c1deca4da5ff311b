"""What passes between the background process, a zygote and its spares: JSON, a line each."""

import json
import socket
from typing import Any

from msgspec import Struct

PART = 1 << 16
SECONDS = 5.0
"""A side that has not taken a message by then is as good as gone."""


class Order(Struct, frozen=True):
    """Start a runner: as `processes.start` has it. `kernel`: with a Python kernel."""

    argv: list[str]
    environment: dict[str, str]
    folder: str
    log: str
    kernel: bool


class Channel:
    """One end of a line-wise conversation. Both may end at any moment: that is `gone`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""
        self.gone = False

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, message: dict[str, Any]) -> bool:
        """Whether the other side was there to take it."""
        try:
            self._connection.settimeout(SECONDS)
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.gone = True
        return not self.gone

    def receive(self, seconds: float | None = None) -> list[dict[str, Any]]:
        """What has come, after waiting for it for so long (None: without an end)."""
        self._connection.settimeout(seconds)
        try:
            part = self._connection.recv(PART)
            self.gone = not part
        except (TimeoutError, BlockingIOError):
            return []
        except OSError:
            self.gone = True
            return []
        *lines, self._rest = (self._rest + part).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        self.gone = True
        self._connection.close()
