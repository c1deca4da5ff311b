"""The requests in progress."""

import time


class Traffic:
    """Counts them, so that a process that leaves knows when nobody wants it."""

    def __init__(self) -> None:
        self.leaving = False
        self.active = 0
        self._last = 0.0

    def began(self) -> None:
        self.active += 1

    def ended(self) -> None:
        self.active -= 1
        self._last = time.monotonic()

    def is_quiet(self, seconds: float) -> bool:
        """Whether no request has been in progress for that long."""
        return self.active == 0 and time.monotonic() - self._last > seconds
