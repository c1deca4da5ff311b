"""The log of a run whose workspace is elsewhere: kept short as any log is, and told as it grows."""

import threading
from pathlib import Path
from typing import Protocol

from ml_workspace_lab.storage.log_writer import LogState, LogWriter

OUTPUT_AT_ONCE = 64 * 1024
"""Bytes that are added at once at most: all that becomes of them is one record."""


class LogRecords(Protocol):
    """Where it goes."""

    @property
    def number(self) -> int:
        """That of the last record."""
        ...

    def write_log(self, content: bytes) -> None: ...


class SpoolLog(LogWriter):
    """Gives to the spool what another log has in its file; `size` is what it has been given
    already."""

    def __init__(self, path: Path, spool: LogRecords, size: int = 0) -> None:
        super().__init__(path)
        self._size = size
        self._spool = spool
        self._order = threading.Lock()
        self._is_open = True
        self._parts: list[bytes] = []

    @property
    def state(self) -> LogState:
        return super().state._replace(record=self._spool.number)

    def add(self, content: bytes) -> None:
        """From any thread; after the end nothing is added. It is in the spool as a whole, or not at
        all."""
        with self._order:
            if self._is_open:
                self.write(content)
                self._tell()

    def finish(self) -> None:
        with self._order:
            if self._is_open:
                self._is_open = False
                self.close()

    def _put(self, data: bytes) -> None:
        self._size += len(data)
        self._fresh = data.endswith(b"\n")
        self._parts.append(data)

    def _append_last(self) -> None:
        super()._append_last()
        self._tell()

    def _tell(self) -> None:
        if self._parts:
            self._spool.write_log(b"".join(self._parts))
            self._parts.clear()
