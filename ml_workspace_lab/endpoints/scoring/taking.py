"""How one of several workers takes connections: another one holds each from the first moment on."""

import asyncio
import socket
from typing import TYPE_CHECKING

from ml_workspace_lab.endpoints.scoring.connection import Connection
from ml_workspace_lab.endpoints.scoring.wards import Wards

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.site import Site

RETRY_SECONDS = 1.0
"""After which it is tried again where the system has no more descriptors."""


class Taking:
    """Takes one connection after the other, so that other workers get theirs meanwhile."""

    def __init__(self, site: "Site", wards: Wards) -> None:
        self._site = site
        self._wards = wards
        self._loop = asyncio.get_running_loop()
        self._listening: socket.socket | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def is_listening(self) -> bool:
        return self._listening is not None

    def listen(self, listening: socket.socket) -> None:
        listening.setblocking(False)
        self._listening = listening
        self._loop.add_reader(listening, self._accept)

    def stop(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def adopt(self, connection: socket.socket, read: int, *, is_due: bool) -> None:
        """Take a connection from which so many bytes were read before. Where an answer `is_due`,
        who has read the request is dead."""
        held = self._wards.hold(connection.fileno(), read)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = Connection(self._site, held=held, is_due=is_due)
        task = self._loop.create_task(self._begin(connection, made))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _accept(self) -> None:
        if self._listening is None:
            return
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # Another worker was quicker.
        except OSError:
            self._loop.remove_reader(self._listening)
            self._loop.call_later(RETRY_SECONDS, self._listen_again, self._listening)
            return
        self.adopt(connection, 0, is_due=False)

    def _listen_again(self, listening: socket.socket) -> None:
        if listening is self._listening:
            self._loop.add_reader(listening, self._accept)

    async def _begin(self, connection: socket.socket, made: Connection) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: made, connection)
        except OSError:
            made.give_up()
            connection.close()
