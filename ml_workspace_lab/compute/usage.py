"""How much of the machine is in use, and how much of it by this process and its children."""

import os
import time
from typing import Any

import psutil

from ml_workspace_lab.compute.gpu_usage import GpuUsage

MEGABYTE = 1e6


class SystemUsage:
    """Readings of the machine and of this process tree, each over the time since the one before.

    Disk and network count megabytes (10⁶ bytes) since the first; `cpu_percent` is of all processors
    together, `process_cpu_percent` of one. What a machine does not tell is left out.
    """

    def __init__(self) -> None:
        self._gpus = GpuUsage()
        self._moment = time.monotonic()
        self._machine = _machine_seconds()
        self._processes = _process_seconds(_tree())
        self._start = _traffic()

    def read(self) -> dict[str, float]:
        tree = _tree()
        memory = psutil.virtual_memory()
        return {
            "cpu_percent": self._machine_percent(),
            "memory_mb": (memory.total - memory.available) / MEGABYTE,
            "memory_percent": memory.percent,
            "process_cpu_percent": self._process_percent(tree),
            "process_memory_mb": sum(map(_resident_bytes, tree)) / MEGABYTE,
            **self._traffic_since_start(),
            **self._gpus.read(),
        }

    def _machine_percent(self) -> float:
        before, self._machine = self._machine, _machine_seconds()
        busy, total = (now - then for now, then in zip(self._machine, before, strict=True))
        return max(0.0, min(100.0, 100 * busy / total)) if total > 0 else 0.0

    def _process_percent(self, tree: list[psutil.Process]) -> float:
        """Seconds of processor that each process of the tree has used since the last reading, by
        seconds: one that has ended meanwhile takes nothing away from the others."""
        before, self._processes = self._processes, _process_seconds(tree)
        since, self._moment = self._moment, time.monotonic()
        used = sum(
            seconds - before.get(process, 0.0) for process, seconds in self._processes.items()
        )
        return 100 * used / max(self._moment - since, 1e-3)

    def _traffic_since_start(self) -> dict[str, float]:
        return {
            name: (count - self._start[name]) / MEGABYTE
            for name, count in _traffic().items()
            if name in self._start
        }


def _machine_seconds() -> tuple[float, float]:
    """Seconds of all processors since the machine started: those at work, and all."""
    times = psutil.cpu_times()
    # Guests' seconds are part of the user's already.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _tree() -> list[psutil.Process]:
    me = psutil.Process(os.getpid())
    return [me, *me.children(recursive=True)]


def _process_seconds(tree: list[psutil.Process]) -> dict[psutil.Process, float]:
    """Seconds of processor by process; a psutil.Process is told from a later one of its id."""
    return {process: _seconds(process) for process in tree}


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0  # It has ended, or is another user's.
    return float(times.user + times.system)


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _traffic() -> dict[str, float]:
    counts: dict[str, float] = {}
    disk: Any = psutil.disk_io_counters()
    if disk is not None:
        counts |= {"disk_read_mb": disk.read_bytes, "disk_write_mb": disk.write_bytes}
    network: Any = psutil.net_io_counters()
    if network is not None:
        counts["network_received_mb"] = network.bytes_recv
        counts["network_sent_mb"] = network.bytes_sent
    return counts
