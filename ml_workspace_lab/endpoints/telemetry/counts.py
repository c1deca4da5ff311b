"""Counters that several threads add to."""

import threading


class Counts:
    """How often something came out in which way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def add(self, outcome: str, count: int = 1) -> None:
        with self._lock:
            self._counts[outcome] = self._counts.get(outcome, 0) + count

    def all(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)
