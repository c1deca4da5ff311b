"""An answer that is good for a while: an engine serves all users of a cluster, and is not to be
asked by each of them several times a second."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ml_workspace_lab.compute.driver import Unreachable

T = TypeVar("T")


class Recent(Generic[T]):
    """What `ask` answered, also that it did not, for `seconds`."""

    def __init__(self, ask: Callable[[], T], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._answer: T | Unreachable | None = None
        self._until = 0.0

    def get(self, *, fresh: bool = False) -> T:
        """The answer, asked for anew where it is too old or `fresh`. Raises Unreachable."""
        if self._answer is None or fresh or time.monotonic() >= self._until:
            try:
                self._answer = self._ask()
            except Unreachable as error:
                self._answer = error
            self._until = time.monotonic() + self._seconds
        if isinstance(self._answer, Unreachable):
            raise Unreachable(str(self._answer))
        return self._answer

    def outdate(self) -> None:
        """Something has happened that changes it."""
        self._answer = None
