"""How a scoring process takes requests, and stops to without dropping one."""

import asyncio
import socket
import time
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import add_accept_handler
from tornado.web import Application

from ml_workspace_lab.endpoints.model import MAX_BODY
from ml_workspace_lab.endpoints.scoring.traffic import Traffic

QUIET_SECONDS = 1.0
"""How long a kept connection may still ask when its process leaves: it is told to close then."""
DRAIN_SECONDS = 30.0
MAX_DISCARDED = 16 * MAX_BODY
"""One who sends more than a body may have can read why it is refused, up to here."""


class Listener:
    """Accepts connections from a listening socket."""

    def __init__(
        self, application: Application, listening: socket.socket, traffic: Traffic
    ) -> None:
        self._traffic = traffic
        self._listening = listening
        self._server = HTTPServer(application, max_body_size=MAX_DISCARDED)
        self._remove = add_accept_handler(listening, self._serve)

    def _serve(self, connection: socket.socket, address: Any) -> None:
        self._server.handle_stream(IOStream(connection), address)

    def stop(self) -> None:
        """Accept no more."""
        self._traffic.leaving = True
        self._remove()
        self._listening.close()

    async def finish(self, patient: bool) -> bool:
        """Answer what has been accepted (unless not `patient`), then close; whether nothing was
        left undone."""
        until = time.monotonic() + (DRAIN_SECONDS if patient else 0)
        while time.monotonic() < until and not self._traffic.is_quiet(QUIET_SECONDS):  # noqa: ASYNC110 - time must pass, too
            await asyncio.sleep(0.05)
        done = self._traffic.active == 0
        await self._server.close_all_connections()
        return done
