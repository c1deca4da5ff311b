"""A deployment passes its listening socket to the next one, so that none who connects meanwhile is
turned away: what waits in the socket's queue is answered by whichever is there.

The sockets that this goes over are named relative to the present folder, which is the deployment's:
the system's limit for such names is shorter than many a path.
"""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab.endpoints.folder import GenerationFolder
from ml_workspace_lab.endpoints.scoring.front import BACKLOG

PATIENCE_SECONDS = 5.0
_NAME = "handover"


def listen(folder: GenerationFolder, port: int) -> socket.socket:
    """A socket that listens on the port of loopback: that of the deployment before this one, else
    a new one. Raises OSError where another program has the port."""
    others = (other for other in folder.endpoint.generations() if other.number != folder.number)
    for other in others:
        if other.is_alive() and (found := _take(other.number, port)) is not None:
            return found
    made = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    made.setblocking(False)
    return made


class Handover:
    """Gives a listening socket to later deployments that ask for it."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        Path(_NAME).unlink(missing_ok=True)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(_NAME)
        self._door.listen()
        self._door.setblocking(False)

    def open(self) -> None:
        """Answer from now on, in this thread's loop."""
        asyncio.get_running_loop().add_reader(self._door, self._give)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._door)
        self._door.close()

    def _give(self) -> None:
        with suppress(OSError):  # Whoever asked has gone again.
            connection, _ = self._door.accept()
            with connection:
                socket.send_fds(connection, [b"!"], [self._listening.fileno()])


def _take(number: int, port: int) -> socket.socket | None:
    """The socket of another deployment; None where it gives none, or one for another port."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(PATIENCE_SECONDS)
        try:
            asking.connect(f"../{number}/{_NAME}")
            _, descriptors, _, _ = socket.recv_fds(asking, 1, 1)
        except OSError:
            return None
    if not descriptors:
        return None
    found = socket.socket(fileno=descriptors[0])
    found.set_inheritable(False)
    if found.getsockname()[1] != port:
        found.close()
        return None
    return found
