"""A thread for work that the event loop must not wait for."""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import perf_counter, process_time
from typing import Any

Work = Callable[[], Any]
Done = Callable[[Any, float, float], None]
"""Takes what the work gave, the milliseconds that it took, and those of processor time that the
process did meanwhile."""


class ComputeThread:
    """Does one piece of work after the other, which raises nothing itself, and tells the loop."""

    def __init__(self) -> None:
        self._pieces: SimpleQueue[tuple[Work, Done] | None] = SimpleQueue()
        loop = asyncio.get_running_loop()
        # A daemon, as it may never come back from the user's code.
        self._thread = threading.Thread(
            target=_work, args=(self._pieces, loop), name="scoring", daemon=True
        )
        self._thread.start()

    def do(self, work: Work, done: Done) -> None:
        """Have a piece of work done; `done` is called in the loop."""
        self._pieces.put((work, done))

    def end(self) -> None:
        """Let it end when it has done what it was given."""
        self._pieces.put(None)

    def interrupt(self) -> None:
        """Raise TimeoutError in it, at its next step in Python."""
        assert self._thread.ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._thread.ident), ctypes.py_object(TimeoutError)
        )


def _work(pieces: "SimpleQueue[tuple[Work, Done] | None]", loop: asyncio.AbstractEventLoop) -> None:
    try:
        while (piece := pieces.get()) is not None:
            work, done = piece
            began, used = perf_counter(), process_time()
            found = work()
            took, used = perf_counter() - began, process_time() - used
            loop.call_soon_threadsafe(done, found, 1000 * took, 1000 * used)
    except (TimeoutError, RuntimeError):
        return  # It was interrupted, or the loop is closed: nobody waits for it any more.
