"""Requests that wait for the model: whose turn it is, where the work is done, and for how long."""

import asyncio
import math
import traceback
from collections import deque
from collections.abc import Sequence
from functools import partial
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Protocol

from ml_workspace_lab.endpoints.scoring.pace import Pace
from ml_workspace_lab.endpoints.scoring.settings import Settings
from ml_workspace_lab.endpoints.scoring.thread import ComputeThread

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.fellows import Fellows

MAX_LOOP_SECONDS = 0.005
"""How long the event loop may work for requests before it looks for new ones."""
MAX_ROWS = 1024
MAX_BYTES = 256 * 1024
"""What is done together at most."""


class TimedOut(Exception):
    """The code took longer than it may."""


class Busy(Exception):
    """Too many wait already, or this one has waited too long; `seconds` are a guess at when it
    will be otherwise."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Job(Protocol):
    """A request that waits. Those that have one `key` can be done together; None: only alone.
    `rows` and `size` (of its body, in bytes) say how much it is, `is_gone` that nobody wants its
    answer any more. `settle` takes what the work gave and the milliseconds, `fail` what it raised.
    """

    key: object
    rows: int
    size: int
    arrived: float

    @property
    def is_gone(self) -> bool: ...
    def work(self) -> Any: ...
    def settle(self, done: Any, milliseconds: float) -> None: ...
    def fail(self, error: Exception) -> None: ...


Outcome = tuple[Any, Exception | None]


class Crew(Protocol):
    """Does jobs, several of one key at once."""

    most: int
    """How many it takes at once."""
    joined: int
    """How many were done with others."""
    calls: int
    """In how many turns they were."""

    def together(self, jobs: Sequence[Any]) -> list[Outcome]: ...


class Turns:
    """One turn at a time: a job, or jobs that are done together, which are those that have come
    meanwhile. Work with a key is done in the event loop while that is quick, all else in a thread.
    `left_behind` says whether a thread was given up, which may never come back."""

    def __init__(self, settings: Settings, crew: Crew | None = None) -> None:
        self.left_behind = False
        self.waiting: deque[Job] = deque()
        self.pace = Pace()
        self._limits = settings.requests
        self._timeout_ms = settings.scoring_timeout_ms
        self.crew = crew
        self._loop = asyncio.get_running_loop()
        self._thread = ComputeThread()
        self._working: Sequence[Job] | None = None
        self._called = False
        self._taking = False
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._last_ms = 0.0
        self._since, self._worked = 0.0, 0.0
        self.fellows: Fellows | None = None
        """Other workers, which may be less busy; None where there can be none."""

    def load(self) -> int:
        """How many wait, or are worked on."""
        return len(self.waiting) + len(self._working or ())

    def worked(self) -> float:
        """For how many seconds its thread has been at work."""
        if self._working is None:
            return self._worked
        return self._worked + perf_counter() - self._since

    def add(self, job: Job) -> None:
        """Have a job done when it is its turn. Raises Busy where too many wait."""
        most = self._limits.max_queued_requests
        if len(self.waiting) >= most and self._working is None and not self._taking:
            self._take_turns()
        if len(self.waiting) >= most and self._working is not None:
            raise Busy(_enough(len(self.waiting)), self._guess())
        job.arrived = self._loop.time()
        self.waiting.append(job)
        if self._working is not None:
            self._watch_first()
            self._tell()
        elif not self._called:
            # After all that can be read now: what came together is done together.
            self._called = True
            self._loop.call_soon(self._gather, 1)

    def shutdown(self) -> None:
        self._thread.end()

    def _gather(self, before: int) -> None:
        """Take turns once nothing more has come while those that wait were read. Nobody waits for
        what is not there yet: a request alone is done at once."""
        count = len(self.waiting)
        if self._working is None and self.crew is not None and before < count < self.crew.most:
            self._loop.call_soon(self._gather, count)
        else:
            self._take_turns()

    def _take_turns(self) -> None:
        self._called, self._taking = False, True
        self._take_them(perf_counter() + MAX_LOOP_SECONDS)
        self._taking = False

    def _take_them(self, until: float) -> None:
        while self.waiting and self._working is None:
            jobs = self._next()
            if not jobs:
                return
            if jobs[0].key is None or not self.pace.is_quick:
                self._hand_over(jobs)
                continue
            began, used = perf_counter(), process_time()
            outcomes = self._work(jobs)
            milliseconds = 1000 * (perf_counter() - began)
            self.pace.took(milliseconds, 1000 * (process_time() - used))
            self._settle(jobs, outcomes, milliseconds)
            if perf_counter() > until and self.waiting and not self._called:
                self._called = True
                self._loop.call_soon(self._take_turns)
                return

    def _next(self) -> list[Job]:
        """The job whose turn it is, with those that can be done together with it."""
        while self.waiting and self.waiting[0].is_gone:
            self.waiting.popleft().fail(Busy("Nobody waits for the answer", 1))
        if not self.waiting:
            return []
        first = self.waiting.popleft()
        found, rows, size = [first], first.rows, first.size
        most = 1 if first.key is None or self.crew is None else self.crew.most
        if most == 1:
            return found
        others: list[Job] = []
        while self.waiting and len(found) < most:
            job = self.waiting.popleft()
            if (
                job.key == first.key
                and rows + job.rows <= MAX_ROWS
                and size + job.size <= MAX_BYTES
            ):
                found.append(job)
                rows, size = rows + job.rows, size + job.size
            else:
                others.append(job)
        self.waiting.extendleft(reversed(others))
        return found

    def _work(self, jobs: Sequence[Job]) -> list[Outcome]:
        if len(jobs) > 1 and self.crew is not None:
            return self.crew.together(jobs)
        return [attempt(job) for job in jobs]

    def _hand_over(self, jobs: Sequence[Job]) -> None:
        self._working, self._since = jobs, perf_counter()
        self._tell()
        self._timer = self._loop.call_later(self._timeout_ms / 1000, self._give_up)
        self._thread.do(partial(self._work, jobs), partial(self._back, jobs))
        if self.waiting:
            self._watch_first()

    def _back(
        self, jobs: Sequence[Job], outcomes: list[Outcome], milliseconds: float, computed: float
    ) -> None:
        if self._working is not jobs:
            return  # It was given up.
        assert self._timer is not None
        self._timer.cancel()
        self._worked = self.worked()
        self._working = None
        if jobs[0].key is not None:
            self.pace.took(milliseconds, computed)
        self._tell()  # First: who is answered may ask again, and another worker looks here then.
        self._settle(jobs, outcomes, milliseconds)
        self._take_turns()
        self._tell()

    def _tell(self) -> None:
        if self.fellows is not None:
            self.fellows.tell(self.load())

    def _settle(self, jobs: Sequence[Job], outcomes: list[Outcome], milliseconds: float) -> None:
        self._last_ms = milliseconds
        for job, (done, error) in zip(jobs, outcomes, strict=True):
            try:
                if error is None:
                    job.settle(done, milliseconds)
                else:
                    job.fail(error)
            except Exception:  # noqa: BLE001 - the others are to be answered all the same
                traceback.print_exc()

    def _give_up(self) -> None:
        """Those who wait get another thread; this one ends at its next step in Python. Of several
        that were done together each gets a turn of its own: one of them may be at fault."""
        self._worked = self.worked()
        jobs, self._working = self._working or (), None
        self.left_behind = True
        thread, self._thread = self._thread, ComputeThread()
        thread.interrupt()
        thread.end()
        if len(jobs) == 1:
            jobs[0].fail(TimedOut(f"Scoring timeout after {self._timeout_ms} ms"))
        else:
            for job in reversed(jobs):
                job.key, job.arrived = None, self._loop.time()
                self.waiting.appendleft(job)
        self._take_turns()

    def _watch_first(self) -> None:
        if self._watch is None:
            until = self.waiting[0].arrived + self._limits.max_queue_wait_ms / 1000
            self._watch = self._loop.call_at(until, self._send_away)

    def _send_away(self) -> None:
        """Those who have waited for too long."""
        self._watch = None
        limit = self._limits.max_queue_wait_ms
        since = self._loop.time() - limit / 1000 + 0.001
        while self.waiting and self._working is not None and self.waiting[0].arrived <= since:
            job = self.waiting.popleft()
            job.fail(Busy(f"The request has waited for {limit} ms", self._guess()))
        if self.waiting and self._working is not None:
            self._watch_first()

    def _guess(self) -> int:
        """The seconds until those who wait now are done, if each takes as long as the last one."""
        return min(60, max(1, math.ceil(self._last_ms * (len(self.waiting) + 1) / 1000)))


def _enough(waiting: int) -> str:
    if not waiting:
        return "The model is at work, and no request may wait for it"
    return f"{waiting} {'request is' if waiting == 1 else 'requests are'} waiting already"


def attempt(job: Job) -> Outcome:
    """What a job gives by itself, or what it raises."""
    try:
        return job.work(), None
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        return None, error
    except BaseException as error:  # noqa: BLE001 - also what would end a thread
        asked = RuntimeError("run() asked the process to exit")
        asked.__cause__ = error
        return None, asked
