"""A runner that is killed leaves nothing behind, also where no engine looks after that."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from ml_workspace_lab.jobs.runner import guard
from tests.compute.conformance.drivers import alive
from tests.conftest import eventually

RUNNER = """
import subprocess, sys
from ml_workspace_lab.jobs.runner import guard
guard.stand("a-test-of-guards")
child = subprocess.Popen([*sys.argv[1:], "sleep", "1000"], start_new_session=True)
print(child.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def runner(*before: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """One that has started a program in a session of its own; and that program, which the words
    `before` start."""
    words = [sys.executable, "-c", RUNNER, *before]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        yield process, child
    finally:
        process.kill()
        process.wait()
        eventually(lambda: not alive(child), what="its program is gone")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_what_a_killed_runner_has_started_is_ended(number: signal.Signals) -> None:
    with runner() as (process, child):
        os.killpg(process.pid, number)
        eventually(lambda: not alive(child), what="its program is gone")
    eventually(lambda: not guards(), what="its guard has left")


def test_a_program_that_has_cleared_its_environment_is_ended_too() -> None:
    with runner("env", "-i") as (process, child):
        os.killpg(process.pid, signal.SIGKILL)
        eventually(lambda: not alive(child), what="its program is gone")


def test_another_runner_of_the_same_attempt_is_left_alone() -> None:
    with runner() as (_, program):
        with runner() as (refused, other):
            refused.kill()
            eventually(lambda: not alive(other))
            eventually(lambda: len(guards()) == 1, what="its guard has left")
        assert alive(program)


def test_a_program_that_ends_its_own_group_does_not_end_the_guard() -> None:
    with runner() as (process, child):
        eventually(lambda: len(guards()) == 1, what="those before have left")
        assert os.getsid(guards()[0].pid) != process.pid
        os.killpg(process.pid, signal.SIGTERM)
        eventually(lambda: not alive(child))
    assert guard.VARIABLE not in os.environ


def guards() -> list[psutil.Process]:
    """Those of this test's runners."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if guard.__name__ in (process.info["cmdline"] or ())
        and process.info["cmdline"][-1].startswith("a-test-of-guards/")
    ]
