"""Where the workers of a deployment tell each other, and their supervisor, how busy they are.

A file with a row of numbers for each worker, which all have in memory: who looks asks nobody and
waits for nobody. A worker writes its own row; the supervisor, or who can't reach one, clears that
of one that is dead.
"""

import mmap
import os
from pathlib import Path
from typing import NamedTuple

from ml_workspace_lab.endpoints.scaling import MOST

_PORT, _LOAD, _CONNECTIONS, _BUSY, _MOMENT = range(5)
_ROW = 8
_BYTES = MOST * _ROW * 8


class Post(NamedTuple):
    """What a worker says of itself: the `port` on loopback where it takes requests of others (0: it
    takes none), the requests that wait for its model or are worked on, its clients' connections,
    and for how many seconds it has been at work so far, as of a `moment` of the monotonic clock."""

    port: int
    load: int
    connections: int
    busy: float
    moment: float


class Board:
    """The rows of all workers of one generation of a deployment. Raises OSError where there is no
    room for it."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Written, not only lengthened: on a full disk this fails, and no later use does.
            if (size := os.fstat(descriptor).st_size) < _BYTES:
                os.pwrite(descriptor, bytes(_BYTES - size), size)
            self._cells = memoryview(mmap.mmap(descriptor, _BYTES)).cast("d")
        finally:
            os.close(descriptor)

    def post(self, worker: int, post: Post) -> None:
        at = _ROW * (worker - 1)
        cells = self._cells
        cells[at + _LOAD] = post.load
        cells[at + _CONNECTIONS] = post.connections
        cells[at + _BUSY] = post.busy
        cells[at + _MOMENT] = post.moment
        cells[at + _PORT] = post.port

    def set_load(self, worker: int, load: int) -> None:
        self._cells[_ROW * (worker - 1) + _LOAD] = load

    def load(self, worker: int) -> int:
        return int(self._cells[_ROW * (worker - 1) + _LOAD])

    def takes(self, worker: int) -> bool:
        """Whether it takes requests of others."""
        return self._cells[_ROW * (worker - 1) + _PORT] > 0

    def clear(self, worker: int) -> None:
        """Say that it is gone."""
        self._cells[_ROW * (worker - 1) + _PORT] = 0

    def rows(self) -> dict[int, Post]:
        """What is said by those who take requests, by their numbers."""
        found = {}
        for worker in range(1, MOST + 1):
            at = _ROW * (worker - 1)
            if port := int(self._cells[at + _PORT]):
                _, load, connections, busy, moment = self._cells[at : at + _MOMENT + 1]
                found[worker] = Post(port, int(load), int(connections), busy, moment)
        return found
