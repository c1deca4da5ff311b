"""How much of each GPU is in use, where NVIDIA's library is there to tell."""

from contextlib import suppress
from importlib import import_module
from typing import Any


class GpuUsage:
    """Readings of every GPU by its number; none where `pynvml` or a GPU is missing."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            nvml = import_module("pynvml")
        except ImportError:
            return
        with suppress(nvml.NVMLError):
            nvml.nvmlInit()
            self._handles = [
                nvml.nvmlDeviceGetHandleByIndex(place) for place in range(nvml.nvmlDeviceGetCount())
            ]
            self._nvml = nvml

    def read(self) -> dict[str, float]:
        """Per cent at work, and megabytes (10⁶ bytes) and per cent of memory."""
        readings: dict[str, float] = {}
        for place, handle in enumerate(self._handles):
            # One that does not tell leaves the others' readings alone.
            with suppress(self._nvml.NVMLError):
                readings |= self._of(f"gpu_{place}_", handle)
        return readings

    def _of(self, prefix: str, handle: Any) -> dict[str, float]:
        memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        return {
            f"{prefix}percent": self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            f"{prefix}memory_mb": memory.used / 1e6,
            f"{prefix}memory_percent": 100 * memory.used / memory.total,
        }
