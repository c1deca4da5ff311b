"""Brings journals into the store from the background, so that logging never waits for it."""

import atexit
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from weakref import WeakSet

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.storage.journal import SEGMENT, JournalWriter
from ml_workspace_lab.trouble import kept_apart

if TYPE_CHECKING:
    from ml_workspace_lab.api.connection import Connection

LOOK_SECONDS = 1.0
REST_SECONDS = 30.0
MANY_RECORDS = 4 * SEGMENT
"""A journal whose readers see it anyhow is folded when it has been at rest for so long, or has so
many records: each time takes the interpreter from the code that logs, and few large ones the
least."""


class Shipment:
    """One journal on its way into the store."""

    def __init__(
        self,
        connection: "Connection",
        run_id: str,
        writer: JournalWriter,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self.run_id = run_id
        self.writer = writer
        self._connection = connection
        self._before = before
        self._lock = threading.RLock()
        self._kept = 0
        self._seen = 0
        self._moved = time.monotonic()
        writer.on_full = SHIPPER.wake
        writer.on_begin = self._begin_anew
        _shipments.add(self)

    def ship(self) -> None:
        """Bring all that was logged so far into the store."""
        with self._lock:
            wanted = self.writer.count
            if self._kept < wanted:
                self._kept = self._connection.ship(self.run_id, self.writer, self._kept)
                self.writer.release(self._kept)

    def step(self) -> None:
        """Do what there is to do now, in the background."""
        # A full disk, a server that is away, a folder that was removed: again in a moment.
        with suppress(WorkspaceError, OSError):
            self._before()
            self._connection.watch()
            if self._is_due():
                self.ship()

    def finish(self) -> None:
        """No more is logged."""
        self.ship()
        self._connection.sweep(self.run_id, self.writer)
        self.writer.close()

    def remove(self) -> None:
        """The store has all."""
        SHIPPER.discard(self)
        self._connection.forget(self.writer)

    def forget_parents(self) -> None:
        """In the child of a fork, where the journal is another one."""
        self._lock = threading.RLock()
        self._kept = self._seen = 0

    def _begin_anew(self) -> None:
        SHIPPER.add(self)

    def _is_due(self) -> bool:
        count, moment = self.writer.count, time.monotonic()
        if count != self._seen:
            self._seen, self._moved = count, moment
        if count == self._kept:
            return False
        at_rest = moment - self._moved > REST_SECONDS
        is_long = count - self._kept >= MANY_RECORDS
        return not self._connection.shares_journals or at_rest or is_long


class Shipper:
    """The one thread of this process that steps all shipments."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._shipments: set[Shipment] = set()
        self._news: SimpleQueue[None] = SimpleQueue()  # a signal's handler may log, and wake
        self._process = 0

    def add(self, shipment: Shipment) -> None:
        self._shipments.add(shipment)
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._run, name="ml-workspace-metrics", daemon=True).start()

    def discard(self, shipment: Shipment) -> None:
        self._shipments.discard(shipment)

    def flush(self, connection: "Connection", run_id: str, but: Shipment | None = None) -> None:
        """Let who reads a run see what this process has logged to it (but by one journal)."""
        if connection.shares_journals:
            return
        for shipment in list(self._shipments):
            if shipment.run_id == run_id and shipment is not but:
                shipment.ship()

    def drain(self) -> None:
        """At the end of the process: bring in what runs that it doesn't own still wait for."""
        for shipment in list(self._shipments):
            # What can't be brought in stays in the journal, and is taken from there.
            with kept_apart(f"the metrics of run {shipment.run_id}"), suppress(WorkspaceError):
                shipment.finish()
                shipment.remove()

    def forget_parents(self) -> None:
        """In the child of a fork: threads did not come along, and nothing is logged yet."""
        self._begin()
        for shipment in list(_shipments):
            shipment.forget_parents()

    def wake(self) -> None:
        self._news.put(None)

    def _run(self) -> None:
        while True:
            with suppress(Empty):
                self._news.get(timeout=LOOK_SECONDS)
            for shipment in list(self._shipments):
                with kept_apart(f"the metrics of run {shipment.run_id}"):
                    shipment.step()


_shipments: "WeakSet[Shipment]" = WeakSet()
SHIPPER = Shipper()
os.register_at_fork(after_in_child=SHIPPER.forget_parents)
atexit.register(SHIPPER.drain)
