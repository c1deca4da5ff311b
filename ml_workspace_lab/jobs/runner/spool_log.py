"""The log of a run whose workspace is elsewhere: kept short as any log is, and told as it grows."""

import threading
from pathlib import Path

from ml_workspace_lab.jobs.runner.spool import Spool
from ml_workspace_lab.storage.log_writer import LogWriter


class SpoolLog(LogWriter):
    """Gives to the spool what another log has in its file."""

    def __init__(self, path: Path, spool: Spool) -> None:
        super().__init__(path)
        self._spool = spool
        self._order = threading.Lock()
        self._is_open = True

    def add(self, content: bytes) -> None:
        """From any thread; after the end nothing is added."""
        with self._order:
            if self._is_open:
                self.write(content)

    def finish(self) -> None:
        with self._order:
            if self._is_open:
                self._is_open = False
                self.close()

    def _put(self, data: bytes) -> None:
        self._size += len(data)
        self._fresh = data.endswith(b"\n")
        self._spool.write_log(data)
