"""A memory limit where the kernel keeps none: the processes of the work are watched."""

import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from ml_workspace_lab.compute.memory import MemoryUse

SECONDS = 0.2
SHARE = 50
"""Watching may take one part in this many of the time: where there are many processes it is done
less often."""
KIBIBYTE = 1024


class MemoryWatch:
    """Ends the largest of this process's descendants where all of them, and it, have more memory
    than `limit` bytes together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._peak = self._kills = 0
        threading.Thread(target=self._watch, name="memory", daemon=True).start()

    @property
    def use(self) -> MemoryUse:
        return MemoryUse(self._peak, self._limit, self._kills)

    def _watch(self) -> None:
        while True:
            began = time.monotonic()
            with suppress(psutil.Error, OSError):
                self._look()
            time.sleep(max(SECONDS, (time.monotonic() - began) * SHARE))

    def _look(self) -> None:
        own = psutil.Process()
        resident: dict[psutil.Process, int] = {}
        for process in [own, *own.children(recursive=True)]:
            with suppress(psutil.Error):
                resident[process] = process.memory_info().rss
        total = sum(resident.values())
        if total > self._limit:  # What they share is in each of them, and counts once.
            total = sum(_share(process, size) for process, size in resident.items())
        self._peak = max(self._peak, total)
        del resident[own]
        if total > self._limit and resident:
            self._kills += 1
            max(resident, key=lambda process: resident[process]).send_signal(signal.SIGKILL)


def _share(process: psutil.Process, resident: int) -> int:
    """A process's part of the memory that it has with others, which takes longer to find out."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KIBIBYTE
    return resident
