"""A bounded number of connections to a server, shared by the threads of a process."""

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ml_workspace_lab.storage.database import busy, busy_seconds

if TYPE_CHECKING:
    from psycopg import Connection


class Pool:
    """At most `limit` connections at a time, each used by one thread."""

    def __init__(self, connect: "Callable[[], Connection[dict[str, Any]]]", limit: int) -> None:
        self._connect = connect
        self._limit = limit
        self._inherited: list[Connection[dict[str, Any]]] = []
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        self._free = threading.BoundedSemaphore(self._limit)
        self._idle: list[Connection[dict[str, Any]]] = []

    @contextmanager
    def borrowed(self) -> "Iterator[Connection[dict[str, Any]]]":
        """A connection that works, outside any transaction; what is left open at the end of the
        block is rolled back. Raises Unavailable where all are in use for too long."""
        if not self._free.acquire(timeout=busy_seconds()):
            raise busy()
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def start_anew(self) -> None:
        """In the child of a fork: the connections are the parent's, who goes on using them."""
        self._inherited += self._idle  # kept, so that nothing closes them
        self._begin()

    def _take(self) -> "Connection[dict[str, Any]]":
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                connection = self._idle.pop()
                if not _is_cut(connection):
                    return connection
                connection.close()
        return self._connect()

    def _give_back(self, connection: "Connection[dict[str, Any]]") -> None:
        import psycopg

        with suppress(psycopg.Error):
            connection.rollback()
        if not connection.closed:
            self._idle.append(connection)


def _is_cut(connection: "Connection[dict[str, Any]]") -> bool:
    """Whether the server has ended the connection: it says nothing unasked but that."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


_pools: "WeakSet[Pool]" = WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool.start_anew()


os.register_at_fork(after_in_child=_after_fork)
