"""The processes of an endpoint pass its listening socket on, so that none who connects is turned
away while one of them is there: what waits in the socket's queue is answered by whichever takes
connections.
"""

import asyncio
import socket
from contextlib import suppress

from ml_workspace_lab.endpoints.folder import WorkerFolder
from ml_workspace_lab.endpoints.scoring.doors import address, bound
from ml_workspace_lab.endpoints.scoring.front import BACKLOG

PATIENCE_SECONDS = 5.0
_NAME = "handover"


def taken(folder: WorkerFolder, port: int, *, at_once: bool = True) -> socket.socket | None:
    """The socket that listens on the port of loopback, of another process of the endpoint; None
    where there is none to give it. One that is still starting gives it later, not `at_once`."""
    for generation in folder.generation.endpoint.generations():
        for other in generation.workers():
            is_asked = other.ready.exists() or not at_once
            if other.path != folder.path and is_asked and other.is_alive():
                found = _take(other, port)
                if found is not None:
                    return found
    return None


def listen(folder: WorkerFolder, port: int) -> socket.socket:
    """The socket of another process, else a new one. Raises OSError where another program has the
    port."""
    if (found := taken(folder, port)) is not None:
        return found
    try:
        made = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    except OSError:
        if (found := taken(folder, port, at_once=False)) is None:
            raise
        return found
    made.setblocking(False)
    return made


class Handover:
    """Gives a listening socket to other processes that ask for it, once it has one."""

    def __init__(self, folder: WorkerFolder, listening: socket.socket | None) -> None:
        self.listening = listening
        self._door = bound(folder, _NAME)

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
                if self.listening is not None:
                    socket.send_fds(connection, [b"!"], [self.listening.fileno()])


def _take(other: WorkerFolder, port: int) -> socket.socket | None:
    """The socket of another process; None where it gives none, or one for another port."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(PATIENCE_SECONDS)
        try:
            asking.connect(address(other, _NAME))
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
