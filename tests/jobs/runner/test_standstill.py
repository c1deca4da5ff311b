"""A program stands still where it was stopped, and not where it waits or works."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from ml_workspace_lab.jobs.runner.standstill import Program
from tests.conftest import eventually


@contextmanager
def started(*words: str) -> Iterator[psutil.Process]:
    process = subprocess.Popen(words, start_new_session=True)
    whole = psutil.Process(process.pid)
    try:
        yield whole
    finally:
        for one in (*whole.children(recursive=True), whole):
            one.kill()
        process.wait()


def test_one_that_was_stopped_stands_still_until_it_goes_on() -> None:
    with started("sleep", "1000") as process:
        program = Program(process.pid)
        assert [program.stands_still() for _ in range(3)] == [False] * 3, "it waits"
        process.suspend()
        eventually(program.stands_still)
        process.resume()
        eventually(lambda: not program.stands_still())


def test_a_shell_stands_still_with_what_it_waits_for() -> None:
    with started("sh", "-c", "sleep 1000; true") as shell:
        (child,) = eventually(shell.children)
        program = Program(shell.pid)
        assert [program.stands_still() for _ in range(3)] == [False] * 3
        child.suspend()
        eventually(program.stands_still)
        child.resume()
        eventually(lambda: not program.stands_still())


def test_one_that_works_beside_a_stopped_child_does_not() -> None:
    with started("sh", "-c", "sleep 1000 & while true; do true; done") as shell:
        (child,) = eventually(shell.children)
        child.send_signal(signal.SIGSTOP)
        eventually(lambda: child.status() == psutil.STATUS_STOPPED)
        program = Program(shell.pid)
        for _ in range(3):
            used = sum(shell.cpu_times()[:2])
            eventually(lambda used=used: sum(shell.cpu_times()[:2]) > used, what="it works")
            assert not program.stands_still()
