"""A program that was stopped (SIGSTOP, a terminal's Ctrl-Z) does nothing and has not ended: its
runner sees that, and says so."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.records import STOPPED
from ml_workspace_lab.jobs.runner.beside import beside
from ml_workspace_lab.jobs.runner.link import Link

SECONDS = 1.0
SHARE = 500
LONGEST_SECONDS = 10.0
"""Looking for children goes through all processes of the machine: that may take one part in so many
of the time, and is done every so many seconds at least."""
GOES_ON = "Its program goes on."


@contextmanager
def told_of(link: Link, pid: int) -> Iterator[None]:
    """Within the block the run is NotResponding while the program of that pid stands still."""
    program = Program(pid)
    with beside("standstill", lambda over: _watch(link, program, over)):
        yield


def _watch(link: Link, program: "Program", over: threading.Event) -> None:
    told = False
    while not over.wait(SECONDS):
        with suppress(psutil.Error, OSError, WorkspaceError):  # gone; busy: the next look may do
            stands = program.stands_still()
            if stands != told:
                state = RunState.NOT_RESPONDING if stands else RunState.RUNNING
                link.move(state, STOPPED if stands else GOES_ON)
                told = stands


class Program:
    """The process of that pid and those below it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used: dict[psutil.Process, float] = {}
        self._below = False
        self._due = 0.0

    def stands_still(self) -> bool:
        """Whether it was stopped; so has a shell, say, that does nothing while all of its children
        were. One that a debugger holds is somebody's work."""
        process = psutil.Process(self._pid)
        if _is_stopped(process):
            return True
        moment, began = time.monotonic(), time.thread_time()
        if self._has_worked(process):
            self._below = False
        elif self._below or moment >= self._due:
            self._below = self._all_below_stand(process)
            self._due = moment + min((time.thread_time() - began) * SHARE, LONGEST_SECONDS)
        return self._below

    def _all_below_stand(self, process: psutil.Process) -> bool:
        below = process.children()
        return bool(below) and all(
            _is_stopped(one) or (not self._has_worked(one) and self._all_below_stand(one))
            for one in below
        )

    def _has_worked(self, process: psutil.Process) -> bool:
        """Whether it has used the processor since it was asked before; at first it has."""
        times = process.cpu_times()
        before = self._used.get(process)
        self._used[process] = used = float(times.user + times.system)
        return used != before


def _is_stopped(process: psutil.Process) -> bool:
    return bool(process.status() == psutil.STATUS_STOPPED)
