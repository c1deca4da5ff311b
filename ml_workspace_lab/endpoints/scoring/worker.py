"""One thread for the user's code, so that health answers while it works, with a limit of time."""

import asyncio
import ctypes
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class TimedOut(Exception):
    """The code took longer than it may."""


@dataclass(frozen=True)
class Timed(Generic[T]):
    """What the code gave, and the milliseconds that it took."""

    value: T
    milliseconds: float


class Worker:
    """Does one piece of work at a time. `left_behind` says whether a thread was given up, which may
    never come back and would keep the process from ending."""

    def __init__(self, limit_ms: int) -> None:
        self.limit_ms = limit_ms
        self.left_behind = False
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1)

    async def run(self, work: Callable[[], T]) -> Timed[T]:
        """What `work` gives, or raises. Raises TimedOut after the limit, which does not count the
        time that it waited for its turn."""
        async with self._turn:
            piece = _Piece(work)
            future = asyncio.get_running_loop().run_in_executor(self._thread, piece)
            done, _ = await asyncio.wait([future], timeout=self.limit_ms / 1000)
            if done:
                return future.result()
            future.add_done_callback(lambda f: f.cancelled() or f.exception())
            self._give_up(piece)
            raise TimedOut(f"Scoring timeout after {self.limit_ms} ms")

    def shutdown(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _give_up(self, piece: "_Piece[T]") -> None:
        """Those who wait get another thread; this one ends at its next step in Python."""
        self.left_behind = True
        self.shutdown()
        self._thread = ThreadPoolExecutor(1)
        piece.interrupt()


class _Piece(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._thread: int | None = None

    def __call__(self) -> Timed[T]:
        self._thread = threading.get_ident()
        began = time.perf_counter()
        try:
            value = self._work()
        except Exception:
            raise
        except BaseException as error:
            raise RuntimeError("run() asked the process to exit") from error
        return Timed(value, (time.perf_counter() - began) * 1000)

    def interrupt(self) -> None:
        if self._thread is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(TimeoutError)
            )
