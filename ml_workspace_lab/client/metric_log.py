"""The way of a metric from the user's code into the workspace, and back."""

import math
import operator
import os
import struct
import threading
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.api.strict_json import convert, convert_field
from ml_workspace_lab.api.types import Int64, Key, number_from_wire
from ml_workspace_lab.client.shipping import SHIPPER, Shipment
from ml_workspace_lab.errors import Conflict, InvalidInput, StorageFull, WorkspaceError
from ml_workspace_lab.experiments.model import MetricSeriesList
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.journal import HELD_RECORDS, StepUnknown, following

PAUSE_SECONDS = 30.0
"""How long nobody is asked for the steps of others, after one that could not say."""

Append = Callable[[str, float, int | None, int | None], None]
_logs: "WeakValueDictionary[tuple[Connection, str], MetricLog]" = WeakValueDictionary()
_all: "WeakSet[MetricLog]" = WeakSet()
_finding = threading.RLock()
"""This lock and the others here may be asked for by a signal's handler while its thread has it."""


def metric_log(connection: Connection, run_id: str) -> "MetricLog":
    """The one of a run: all objects that stand for it count a metric's steps together."""
    with _finding:
        found = _logs.get((connection, run_id))
        if found is None:
            found = _logs.setdefault((connection, run_id), MetricLog(connection, run_id))
        return found


class MetricLog:
    """The metrics that one process logs to one run.

    A point is in the journal when `log` returns, and outlives the process from then on. While the
    disk is full points are held in memory, with a warning; they go to the journal when there is
    room again.
    """

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._connection = connection
        self._run_id = run_id
        self._opening = threading.RLock()
        self._writing_held = threading.RLock()
        self._shipment: Shipment | None = None
        self._held: deque[tuple[str, float, int, int]] = deque()
        self._held_steps: dict[str, int] = {}
        self._asks_from = 0.0
        self._append: Append = self._open_and_append
        _all.add(self)

    def forget_parents(self) -> None:
        """In the child of a fork: threads that had a lock did not come along."""
        self._opening = threading.RLock()
        self._writing_held = threading.RLock()

    def log(
        self, name: str, value: float, step: int | None = None, time: int | None = None
    ) -> None:
        if step is True or step is False:  # which would be a whole number, too
            _check_whole("step", step)
        try:
            self._append(name, value, step, time)
            return
        except StepUnknown:
            pass
        except (struct.error, TypeError, ValueError, OverflowError) as error:
            raise _explained(name, value, step, time) or error from None
        except StorageFull:
            self._hold(name, value, step, time)
            return
        self.go_on(name, self._last_kept(name))
        self.log(name, value, step, time)

    def go_on(self, name: str, last: int) -> None:
        """The series has come to that step by another way."""
        if self._shipment is not None:
            self._shipment.writer.go_on(name, last)

    def flush(self) -> None:
        """Bring all that was logged into the store. Raises StorageFull or Unavailable where that
        can't be done now; nothing is lost then."""
        self._write_held()
        if self._shipment is not None:
            self._shipment.ship()

    def close(self) -> None:
        """Take no more. What was logged is in the journal, and taken by the end of the run."""
        with _finding:  # a run that is taken up again gets another
            if _logs.get((self._connection, self._run_id)) is self:
                del _logs[self._connection, self._run_id]
        self._write_held()
        self._append = self._refuse
        if self._shipment is not None:
            self._shipment.finish()

    def let_go(self) -> None:
        """The run has ended, and has all."""
        if self._shipment is not None:
            self._shipment.remove()

    def _open_and_append(self, name: str, value: float, step: int | None, time: int | None) -> None:
        shipment = self._opened()
        self._write_held()
        shipment.writer.append(name, value, step, time)

    def _opened(self) -> Shipment:
        """The journal, made by the first who needs it. Raises StorageFull."""
        with self._opening:
            if self._shipment is None:
                writer = self._connection.metric_writer(self._run_id)
                writer.check_key = _check_name
                writer.begins_series = False
                shipment = Shipment(self._connection, self._run_id, writer, self._write_held)
                if self._shipment is None:
                    self._shipment = shipment
                    SHIPPER.add(shipment)
                else:  # a signal's handler was first
                    writer.remove()
                self._append = self._hold if self._held else self._shipment.writer.append
            return self._shipment

    def _hold(self, name: str, value: float, step: int | None, time: int | None) -> None:
        if refusal := _explained(name, value, step, time):
            raise refusal
        with self._writing_held:
            self._add_held(name, value, step, time)
            if self._shipment is not None:
                self._append = self._hold

    def _add_held(self, name: str, value: float, step: int | None, time: int | None) -> None:
        step = following(self._last_step(name)) if step is None else operator.index(step)
        if not self._held:
            warnings.warn(
                "The disk is full: metrics are held in memory until there is room. They are lost"
                " if this process ends before.",
                RuntimeWarning,
                stacklevel=5,
            )
        if len(self._held) >= HELD_RECORDS:
            raise StorageFull(
                f"The disk is full, and {HELD_RECORDS:,} metrics are held in memory already.",
                hint="Free some space, then go on logging.",
            )
        self._held.append((name, float(value), step, now() if time is None else time))
        self._held_steps[name] = step

    def _last_step(self, name: str) -> int:
        if name in self._held_steps:
            return self._held_steps[name]
        known = None if self._shipment is None else self._shipment.writer.last_step(name)
        return self._last_kept(name) if known is None else known

    def _last_kept(self, name: str) -> int:
        """The last step of a series that others have logged, or this process before; -1 where there
        is none. Logging doesn't wait for who can't be asked: it is taken to be new then."""
        if monotonic() < self._asks_from:
            return -1
        try:
            SHIPPER.flush(self._connection, self._run_id, but=self._shipment)
            own = None if self._shipment is None else self._shipment.writer.name
            return self._connection.last_step(self._run_id, name, own)
        except WorkspaceError:
            self._asks_from = monotonic() + PAUSE_SECONDS
            return -1

    def _write_held(self) -> None:
        if not self._held:
            return
        shipment = self._opened()
        append = shipment.writer.append
        with self._writing_held:  # the caller and the background thread may both want to
            while self._held:
                try:
                    append(*self._held[0])
                except StorageFull:
                    # There may be more than fits: what the store has now makes room for the rest.
                    with suppress(WorkspaceError):
                        shipment.ship()
                    append(*self._held[0])
                self._held.popleft()
            self._held_steps.clear()
            self._append = append

    def _refuse(self, *_: Any) -> None:
        raise Conflict(
            f"Run {self._run_id} has ended and takes no more metrics.", hint="Start a new run."
        )


def metric_values(found: MetricSeriesList) -> dict[str, Any]:
    """By name: the one value, or the list of values where there are more."""
    values = {one.name: [number_from_wire(v) for v in one.values] for one in found.items}
    return {name: many[0] if len(many) == 1 else many for name, many in values.items()}


def _check_name(name: str) -> None:
    convert_field(name, Key, "name")


def _after_fork() -> None:
    global _finding
    _finding = threading.RLock()
    for log in list(_all):
        log.forget_parents()


os.register_at_fork(after_in_child=_after_fork)


def _explained(name: Any, value: Any, step: Any, time: Any) -> InvalidInput | None:
    """What is wrong with a point that could not be packed."""
    try:
        _check_name(name)
        _check_number(name, value)
        if step is not None:
            _check_whole("step", step)
        if time is not None:
            _check_whole("time", time)
    except InvalidInput as error:
        return error
    return None


def _check_number(name: str, value: Any) -> None:
    reason = f"{type(value).__name__} is not a number"
    if not isinstance(value, str | bytes):
        try:
            float(value)
        except OverflowError:
            reason = "is beyond what a double can hold"
        except (TypeError, ValueError):
            pass
        else:
            return
    raise InvalidInput(
        f"{name}: {reason}.",
        field="value",
        hint="Use log_list for several values, log_param or tag for text.",
    )


def _check_whole(field: str, value: Any) -> None:
    try:
        if isinstance(value, bool):
            raise TypeError
        convert(operator.index(value), Int64)
    except (TypeError, InvalidInput):
        whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
        raise InvalidInput(
            f"{field}: {value!r} is not a whole number of 64 bits.",
            field=field,
            hint=f"Use {int(value)}." if whole else None,
        ) from None
