"""The journals that the server keeps open for clients that log one value a call."""

import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.client.shipping import SHIPPER, Shipment
from ml_workspace_lab.storage.journal import JournalWriter

KEPT = 512
"""Journals that are open at most."""

TRUSTED_SECONDS = 2.0
"""How long what was found of a run is taken to be so: that it is there and may be logged to."""


class Open(NamedTuple):
    shipment: Shipment
    checked: float


class Writers:
    """Open journals by connection and run, the one used longest ago first.

    A connection acts for one caller, so that nobody logs through a journal that was opened with
    somebody else's right.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[LocalConnection, str], Open] = OrderedDict()
        self._lock = threading.Lock()
        self._closing = ThreadPoolExecutor(1, "ml-workspace-journals")

    def of(self, connection: LocalConnection, run_id: str) -> JournalWriter:
        """The journal of a run for the connection's caller. Raises as `metric_writer` does. It may
        be closed at any time, and is then to be asked for again."""
        key = (connection, run_id)
        found = self._open.get(key)
        if found is not None and found.shipment.writer.is_removed():
            self.drop(run_id)  # Somebody has purged the run: nothing that is written stays.
            found = None
        if found is not None and time.monotonic() - found.checked < TRUSTED_SECONDS:
            return found.shipment.writer
        return self._checked(key, found)

    def drop(self, run_id: str) -> None:
        """Close the journals of a run: it ends, or goes to the trash."""
        with self._lock:
            found = [self._open.pop(key) for key in list(self._open) if key[1] == run_id]
        for one in found:
            _close(one)

    def _checked(self, key: tuple[LocalConnection, str], found: Open | None) -> JournalWriter:
        connection, run_id = key
        if found is None:
            found = _opened(connection, run_id)
        else:
            connection.metrics.check(run_id)
        checked = Open(found.shipment, time.monotonic())
        with self._lock:
            other = self._open.get(key)
            if other is not None and other.shipment is not found.shipment:
                self._closing.submit(_close, found)  # Another thread was first.
                return other.shipment.writer
            self._open[key] = checked
            self._open.move_to_end(key)
            while len(self._open) > KEPT:
                self._closing.submit(_close, self._open.popitem(last=False)[1])
        return checked.shipment.writer


def _opened(connection: LocalConnection, run_id: str) -> Open:
    shipment = Shipment(connection, run_id, connection.metric_writer(run_id))
    SHIPPER.add(shipment)
    return Open(shipment, time.monotonic())


def _close(one: Open) -> None:
    one.shipment.finish()
    one.shipment.remove()


WRITERS = Writers()
