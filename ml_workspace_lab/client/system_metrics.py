"""What a run costs: the use of machine, processes and GPUs, logged from a thread of its own."""

import threading
from typing import TYPE_CHECKING

from ml_workspace_lab.client.metric_log import MetricLog
from ml_workspace_lab.client.values import number
from ml_workspace_lab.errors import Conflict, Denied, InvalidInput, NotFound, WorkspaceError

if TYPE_CHECKING:
    from ml_workspace_lab.api.connection import Connection

PREFIX = "system/"
LEAST_SECONDS = 0.1
PATIENCE_SECONDS = 5.0


class SystemMetrics:
    """Logs one reading after each interval, and a last one when it is stopped.

    It never raises into the code that it watches: what can't be logged now is left out, and where
    the run takes no more it ends.
    """

    def __init__(self, connection: "Connection", run_id: str, interval_seconds: float) -> None:
        self._seconds = number(interval_seconds, "interval_seconds")
        if not LEAST_SECONDS <= self._seconds <= threading.TIMEOUT_MAX:
            raise InvalidInput(
                f"interval_seconds: must be {LEAST_SECONDS} or more, not {interval_seconds!r}.",
                field="interval_seconds",
            )
        # A log of its own: the thread shares nothing with the code that it watches.
        self._log = MetricLog(connection, run_id)
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="ml-workspace-system-metrics", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Log the last reading and end; after five seconds it is not waited for any longer."""
        self._over.set()
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        from ml_workspace_lab.compute.usage import SystemUsage

        usage = SystemUsage()
        try:
            while not self._over.wait(self._seconds):
                self._log_reading(usage.read())
            self._log_reading(usage.read())
            self._log.close()
            self._log.let_go()
        except WorkspaceError:
            return  # The run has ended, or its workspace is gone.

    def _log_reading(self, reading: dict[str, float]) -> None:
        try:
            for name, value in reading.items():
                self._log.log(PREFIX + name, value)
        except (Conflict, Denied, NotFound):
            raise
        except WorkspaceError:
            return  # A full disk or a server that is away: the next reading may find it well.
