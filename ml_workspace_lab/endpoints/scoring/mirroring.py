"""Copies of requests for a deployment that answers nobody, whose answers are thrown away."""

from collections import deque
from collections.abc import Callable
from functools import partial

from ml_workspace_lab.endpoints.scoring.peers import Answer, Missing, Then
from ml_workspace_lab.endpoints.scoring.request import Request

AT_ONCE = 4
"""Copies that are under way; those that wait are kept in memory, so many and so long at most."""
MAX_WAITING = 100
MAX_BYTES = 16 * 1024 * 1024


class Mirror:
    """Sends copies one after the other; what comes while too many wait is dropped. `counts` says
    what came of them, by deployment."""

    def __init__(self, hand_over: Callable[[str, Request, Then], None]) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        self._hand_over = hand_over
        self._waiting: deque[tuple[str, Request]] = deque()
        self._bytes = 0
        self._under_way = 0

    def add(self, request: Request) -> None:
        """Take a copy of a request whose answer has been sent."""
        name = request.copied_to
        assert name is not None
        if len(self._waiting) >= MAX_WAITING or self._bytes + request.size > MAX_BYTES:
            self._count(name, "dropped")
            return
        self._waiting.append((name, request))
        self._bytes += request.size
        self._send()

    def _send(self) -> None:
        while self._waiting and self._under_way < AT_ONCE:
            name, request = self._waiting.popleft()
            self._bytes -= request.size
            self._under_way += 1
            self._hand_over(name, request, partial(self._ended, name))

    def _ended(self, name: str, outcome: Answer | Missing) -> None:
        self._under_way -= 1
        self._count(name, "answered" if isinstance(outcome, Answer) else outcome.value)
        self._send()

    def _count(self, name: str, said: str) -> None:
        self.counts[name, said] = self.counts.get((name, said), 0) + 1
