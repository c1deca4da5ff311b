"""How a run's work can end, and the signals that end it early."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import Cause
from ml_workspace_lab.jobs.records import Ended

CUTTING = (signal.SIGTERM, signal.SIGALRM)


@dataclass(frozen=True)
class Outcome:
    """The end of the work, with the reason that users read; the exit code of its process, or the
    signal that ended it, where one did; and why it failed, for those who try again."""

    state: RunState
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    cause: Cause = "failed"
    peak_rss: int | None = None
    oom_kills: int | None = None

    def told(self) -> Ended:
        """The same as it is told to the workspace."""
        return msgspec.convert(asdict(self), Ended)


COMPLETED = Outcome(RunState.COMPLETED)


def of_exit(what: str, code: int) -> Outcome:
    """The end that a return code tells, negative for a signal, of the thing called `what`."""
    if code == 0:
        return COMPLETED
    if code > 0:
        return Outcome(RunState.FAILED, f"{what} ended with exit code {code}.", exit_code=code)
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:  # one of the real-time signals
        name = ""
    reason = f"{what} was killed by signal {-code}{name}."
    return Outcome(RunState.FAILED, reason, signal=-code)


class CutShort(SystemExit):
    """The work has to stop now. Not an Exception, so that no handler of one takes it for a fault
    of the code that is running."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(0)
        self.outcome = outcome


class Limits:
    """What may end the work early: a cancel (SIGTERM), and the time limit (SIGALRM)."""

    def __init__(self, timeout_seconds: float | None) -> None:
        self._timeout_seconds = timeout_seconds

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Within the block the first of them raises CutShort; after it, cancels are ignored."""
        self._take_signals()
        if self._timeout_seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, self._timeout_seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    @contextmanager
    def cancelling(self, task: "asyncio.Task[Any]") -> Iterator[list[Outcome]]:
        """Within the block the first of them cancels `task` instead; the list then holds why.

        An exception out of a signal handler would tear the event loop down around the task.
        """
        loop = asyncio.get_running_loop()
        cut: list[Outcome] = []

        def stop(number: int) -> None:
            cut.append(self._outcome(number))
            task.cancel()

        for number in CUTTING:
            loop.add_signal_handler(number, stop, number)
        try:
            yield cut
        finally:
            for number in CUTTING:
                loop.remove_signal_handler(number)
            self._take_signals()

    def _take_signals(self) -> None:
        for number in CUTTING:
            signal.signal(number, self._raise)

    def _raise(self, number: int, _: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise CutShort(self._outcome(number))

    def _outcome(self, number: int) -> Outcome:
        if number == signal.SIGALRM:
            reason = f"The time limit of {self._timeout_seconds:g} s was over."
            return Outcome(RunState.FAILED, reason, cause="timeout")
        return Outcome(RunState.CANCELED, "Canceled while it was running.")
