"""A memory limit that the kernel doesn't keep is kept by the runner."""

import subprocess
import sys

import pytest

from ml_workspace_lab.compute.memory import own_group

LIMIT = 160 << 20
# The hog is a grandchild; what it shares with its parent counts once.
WORK = """
import subprocess, sys
from ml_workspace_lab import processes
from ml_workspace_lab.jobs.runner.memory import Memory
from ml_workspace_lab.jobs.runner.outcome import of_exit

memory = Memory(int(sys.argv[1]))
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]])
outcome = memory.measured(memory.explained(of_exit("The program", child.wait())))
print(outcome.state, outcome.cause, outcome.oom_kills, outcome.reason, sep="|")
"""
HOG = """
import time
hog = bytearray(300_000_000)
for at in range(0, len(hog), 4096): hog[at] = 1
time.sleep(60)
"""
SHARING = """
import os, sys
whole = bytearray(70_000_000)
for at in range(0, len(whole), 4096): whole[at] = 1
children = [os.fork() for _ in range(3)]
if 0 not in children: print("there", flush=True)
sys.stdin.read()
if 0 not in children:
    for _ in children: os.wait()
"""
# Ends the program once it was looked at twice with all of its processes there.
LOOKED = """
import subprocess, sys, threading
from ml_workspace_lab.jobs.runner.memory_watch import MemoryWatch

looked, look = threading.Semaphore(0), MemoryWatch._look
MemoryWatch._look = lambda watch: (look(watch), looked.release())
pipe = subprocess.PIPE
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]], stdin=pipe, stdout=pipe)
child.stdout.readline()
watch = MemoryWatch(int(sys.argv[1]))
looked.acquire(), looked.acquire()
child.stdin.close()
print(child.wait(), watch.use.kills, watch.use.peak, sep="|")
"""

use = own_group().use()
pytestmark = pytest.mark.skipif(
    use is not None and use.limit is not None and use.limit <= LIMIT,
    reason="here the kernel keeps a lower limit",
)


def outcome_of(code: str, work: str = WORK) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", work, str(LIMIT), code],
        capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.PIPE,
    )  # fmt: skip
    return done.stdout.strip().split("|")


def test_what_goes_over_the_limit_is_ended_with_that_reason() -> None:
    code = (
        f"import subprocess, sys\nsys.exit(subprocess.call([sys.executable, '-c', {HOG!r}]) != 0)"
    )
    state, cause, kills, reason = outcome_of(code)
    assert (state, cause) == ("Failed", "oom")
    assert int(kills) >= 1
    assert "of 160 MiB were in use (memory limit)" in reason


def test_memory_that_processes_share_counts_once() -> None:
    code, kills, peak = map(int, outcome_of(SHARING, LOOKED))
    assert (code, kills) == (0, 0)
    assert 70_000_000 < peak <= LIMIT
