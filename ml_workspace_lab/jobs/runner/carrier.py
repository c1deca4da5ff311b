"""Brings what a runner tells to the workspace, in the background, for as long as it takes."""

import random
import threading
import time
import traceback
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.errors import Denied, Gone, NotFound, WorkspaceError
from ml_workspace_lab.jobs import records
from ml_workspace_lab.jobs.runner import spool as spools
from ml_workspace_lab.pace import Pace

HEARTBEAT_SECONDS = 10.0
PAUSE_SECONDS = 0.2
"""Between two batches, so that many lines are one."""
LONGEST_PAUSE = 5.0
BATCH = 1024 * 1024

REFUSALS = (Gone, Denied, NotFound)
"""The workspace takes nothing more: another attempt was begun, or the run's token is over."""


class Courier:
    """Sends the records in a spool's folder, whoever wrote them, one batch after the other."""

    def __init__(self, connection: Connection, run_id: str, attempt: int, folder: Path) -> None:
        self._connection = connection
        self._run_id = run_id
        self._attempt = attempt
        self._folder = folder
        self._pace = Pace(BATCH)
        self.known = 0
        """The number of the last record that the workspace has."""
        self.cancel_requested = False

    def send(self, *, with_end: bool = True) -> bool:
        """Send a batch, or none as a sign of life; whether more may be waiting. Raises what the
        workspace answers; a repeat is safe. The end may be left for later."""
        batch = spools.read(self._folder, self.known, self._pace.share, with_end=with_end)
        return self._post(batch)

    def send_unsaid(self) -> None:
        """Send what had no room among the records."""
        if batch := spools.unsaid(self._folder, self.known):
            self._post(batch)

    def _post(self, batch: bytes) -> bool:
        first = next(records.decode(batch), None)
        gap = first is not None and first.number > self.known + 1
        append = self._connection.attempts.append
        with self._pace.taking(len(batch)):
            mark = append(self._run_id, self._attempt, gap, content=BytesIO(batch))
        self.cancel_requested = mark.cancel_requested
        # One that was put back to an earlier state has less than it had: it is sent that again.
        again = mark.number < self.known
        self.known = mark.number
        return again or first is not None


class Carrier:
    """The thread that does so while the runner lives."""

    def __init__(
        self,
        courier: Courier,
        spool: spools.Spool,
        others: Callable[[], None],
        on_cancel: Callable[[], None],
        on_refusal: Callable[[WorkspaceError], None],
    ) -> None:
        self._courier = courier
        self._spool = spool
        self._others = others
        self._on_cancel = on_cancel
        self._on_refusal = on_refusal
        self._over = False
        self.refusal: WorkspaceError | None = None
        self._thread = threading.Thread(target=self._run, name="carrier", daemon=True)
        self._thread.start()

    def finish(self, patience: float) -> bool:
        """Send all that is left, for so many seconds at most; whether it has arrived."""
        self._over = True
        self._spool.news.set()
        self._thread.join(patience)
        return not self._thread.is_alive() and self.refusal is None

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        canceled = False
        while True:
            self._spool.news.wait(HEARTBEAT_SECONDS)
            self._spool.news.clear()
            over = self._over
            try:
                self._bring_all(over)
                if over:
                    return
                pause = PAUSE_SECONDS
            except REFUSALS as refusal:
                self.refusal = refusal
                self._on_refusal(refusal)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the run must be told of
                # Away, busy, full: what is not sent stays, and is sent later.
                if not isinstance(error, WorkspaceError):
                    traceback.print_exc()
                self._spool.news.set()
                pause = min(LONGEST_PAUSE, pause * 2)
            if self._courier.cancel_requested and not canceled:
                canceled = True
                self._on_cancel()
            time.sleep(0 if self._over else pause * random.uniform(0.7, 1.3))  # noqa: S311

    def _bring_all(self, over: bool) -> None:
        self._spool.sync()
        while self._courier.send():
            self._spool.release(self._courier.known)
        self._others()
        if over:
            self._courier.send_unsaid()
