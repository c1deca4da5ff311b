"""One thread for the user's code, so that health answers while it works, with a limit of time."""

import asyncio
import ctypes
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from ml_workspace_lab.endpoints.scoring.settings import Settings

T = TypeVar("T")


class TimedOut(Exception):
    """The code took longer than it may."""


class Busy(Exception):
    """Too many wait already, or this one has waited too long; `seconds` are a guess at when it
    will be otherwise."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class Timed(Generic[T]):
    """What the code gave, and the milliseconds that it took."""

    value: T
    milliseconds: float


class Worker:
    """Does one piece of work at a time, the others wait. `left_behind` says whether a thread was
    given up, which may never come back and would keep the process from ending."""

    def __init__(self, settings: Settings) -> None:
        self.left_behind = False
        self._settings = settings
        self._waiting = 0
        self._last_ms = 0.0
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1)

    async def run(self, work: Callable[[], T]) -> Timed[T]:
        """What `work` gives, or raises. Raises Busy where it does not get its turn, TimedOut after
        the limit, which does not count the time that it waited."""
        await self._wait()
        try:
            return await self._work(work)
        finally:
            self._turn.release()

    async def _wait(self) -> None:
        """Take the turn; raises Busy."""
        limits = self._settings.requests
        if not self._turn.locked() and not self._waiting:
            await self._turn.acquire()
            return
        if self._waiting >= limits.max_queued_requests:
            raise Busy(f"{self._waiting} requests are waiting already", self._guess())
        self._waiting += 1
        try:
            async with asyncio.timeout(limits.max_queue_wait_ms / 1000):
                await self._turn.acquire()
        except TimeoutError:
            waited = limits.max_queue_wait_ms
            raise Busy(f"The request has waited for {waited} ms", self._guess()) from None
        finally:
            self._waiting -= 1

    def _guess(self) -> int:
        """The seconds until those who wait now are done, if each takes as long as the last one."""
        return min(60, max(1, math.ceil(self._last_ms * (self._waiting + 1) / 1000)))

    async def _work(self, work: Callable[[], T]) -> Timed[T]:
        piece = _Piece(work)
        future = asyncio.get_running_loop().run_in_executor(self._thread, piece)
        limit = self._settings.scoring_timeout_ms
        done, _ = await asyncio.wait([future], timeout=limit / 1000)
        if done:
            timed = future.result()
            self._last_ms = timed.milliseconds
            return timed
        future.add_done_callback(lambda f: f.cancelled() or f.exception())
        self._give_up(piece)
        raise TimedOut(f"Scoring timeout after {limit} ms")

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
