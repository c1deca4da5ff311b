"""How much goes into one request over a line of unknown speed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

LEAST = 8 * 1024
SECONDS = 5.0


class Pace:
    """`share` bytes: as many as come over within `SECONDS`, as the last requests say, from `LEAST`
    to `most`. On a line that loses packets, too, requests end within their time, and what one has
    brought need not be sent again."""

    def __init__(self, most: int) -> None:
        self.share = self._most = most

    @contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """While so many bytes are under way; the least is next where they don't arrive."""
        began, before = time.monotonic(), self.share
        self.share = LEAST
        yield
        seconds = max(time.monotonic() - began, 1e-3)
        fitting = int(size * SECONDS / seconds)
        if seconds <= SECONDS:  # a small one says nothing against large ones
            fitting = max(fitting, before)
        self.share = min(max(fitting, LEAST), self._most)
