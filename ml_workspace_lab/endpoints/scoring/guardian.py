"""Holding the connections of another worker, and answering for it when it is dead: see `wards`."""

import asyncio
import mmap
import os
import socket
from contextlib import suppress

from ml_workspace_lab.endpoints.folder import WorkerFolder
from ml_workspace_lab.endpoints.scoring.doors import bound
from ml_workspace_lab.endpoints.scoring.taking import Taking
from ml_workspace_lab.endpoints.scoring.wards import (
    BOARD,
    BROKEN,
    BYTES,
    DROP,
    GUARD,
    HOLD,
    MESSAGE,
    MOST,
    consumed,
)


class Guardian:
    """Lets other workers have their connections held, once it is open."""

    def __init__(self, folder: WorkerFolder) -> None:
        self._door = bound(folder, GUARD)

    def open(self, taking: Taking) -> None:
        asyncio.get_running_loop().add_reader(self._door, self._let_in, taking)

    def close(self) -> None:
        """Let nobody else in; those who are there stay."""
        asyncio.get_running_loop().remove_reader(self._door)
        self._door.close()

    def _let_in(self, taking: Taking) -> None:
        with suppress(OSError):  # Whoever came has gone again.
            line, _ = self._door.accept()
            line.setblocking(False)
            _Line(line, taking, asyncio.get_running_loop())


class _Line:
    """One worker, whose end is the end of the line."""

    def __init__(
        self, line: socket.socket, taking: Taking, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._line = line
        self._taking = taking
        self._loop = loop
        self._cells: memoryview | None = None
        self._number = 0
        self._held: dict[int, socket.socket] = {}
        loop.add_reader(line, self._read)

    def _read(self) -> None:
        while True:
            try:
                said, descriptors, _, _ = socket.recv_fds(self._line, MESSAGE.size, 1)
            except BlockingIOError:
                return
            except OSError:
                said, descriptors = b"", []
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
            if len(said) < MESSAGE.size:
                self._end()
                return
            kind, at = MESSAGE.unpack(said)
            self._follow(kind, at, descriptors)

    def _follow(self, kind: bytes, at: int, descriptors: list[int]) -> None:
        if kind == BOARD and descriptors:
            self._number = at
            self._cells = memoryview(mmap.mmap(descriptors[0], BYTES)).cast("q")
            os.close(descriptors[0])
        elif kind == HOLD and descriptors:
            self._held[at] = socket.socket(fileno=descriptors[0])
        elif kind == DROP and (dropped := self._held.pop(at, None)) is not None:
            dropped.close()

    def _end(self) -> None:
        """The worker is dead, or has left."""
        self._loop.remove_reader(self._line)
        self._line.close()
        cells = self._cells
        for at, connection in self._held.items():
            if cells is None or cells[MOST] != self._number:
                connection.close()
            else:
                self._take_over(connection, cells[at])

    def _take_over(self, connection: socket.socket, answered: int) -> None:
        """Who waits for an answer is told to ask again, all others go on."""
        try:
            read = consumed(connection)
            is_over = read == answered + 1 and _has_ended(connection)
        except OSError:
            is_over, read = True, 0
        if is_over or answered == BROKEN:
            connection.close()
        else:
            self._taking.adopt(connection, read, is_due=read != answered)


def _has_ended(connection: socket.socket) -> bool:
    """Whether the client has said all, and all of that has been read."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
