"""A program that prints far more than a log may have: all stays bounded, and the log says what is
missing, once, also where its runner is killed in the middle."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.storage.log_tail import TAIL_BYTES
from ml_workspace_lab.storage.log_writer import VARIABLE
from tests.conftest import eventually
from tests.jobs.runner.harness import Config, Far
from tests.jobs.runner.test_far_output import script, send_what_is_left
from tests.jobs.test_faults import runner_of

Make = Callable[[Config], Far]
MOST = 4 * 1024**2
# Beside a log: two copies of its end, what was taken out of the pipe at last, the index.
BESIDE = 3 * TAIL_BYTES
FLOOD = """
import sys
print("begun")
block = "".join(f"filler {number:05} {'x' * 85}\\n" for number in range(10_000))
for _ in range(60):  # MB
    sys.stdout.write(block)
sys.stdout.write("".join(f"\\rstep {number} of 1000000" for number in range(1, 1_000_001)))
print()
print("the last line")
"""
# The number of the last line that was printed is in a file.
ENDLESS = """
import os, sys
told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
number = 0
while True:
    block = "".join(f"line {number + n:012}\\n" for n in range(1000)).encode()
    while block:
        block = block[os.write(1, block):]
    number += 1000
    os.pwrite(told, b"%12d" % number, 0)
"""
MARKER = "The log has reached its limit of 4,194,304 bytes."
LOST = re.compile(r"\[([\d,]+) bytes were left out here\.\]\n")


def size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total


def check_flood(run: Run) -> None:
    """What is seen of it through the API's two ways."""
    assert run.info().state is RunState.COMPLETED, run.info().reason
    log = run.get_log()
    assert log.startswith("begun\nfiller 00000 x")
    assert log.count(MARKER) == len(LOST.findall(log)) == 1
    assert len(log) < MOST + 1000
    assert log.endswith("\nthe last line\n")
    lines = run.workspace.connection.logs
    end = lines.lines(run.id, -2, 10)
    assert [line.text for line in end.items] == ["step 1000000 of 1000000", "the last line"]
    found = lines.search(run.id, MARKER)
    assert (len(found.items), found.next) == (1, None)


def test_a_flood_is_bounded_where_the_folder_is_shared(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(MOST))
    run = ws.experiment("e").submit(script(tmp_path, FLOOD))
    folder, sizes = Path(ws.location, "runs", run.id), [0]
    while not run.get_status().is_terminal:
        sizes.append(size_of(folder))
        time.sleep(0.05)
    check_flood(run)
    assert max(sizes) < MOST + BESIDE
    assert size_of(folder) < MOST + TAIL_BYTES


def test_a_flood_is_bounded_on_another_machine(far: Make, tmp_path: Path) -> None:
    one = far(script(tmp_path, FLOOD))
    runner, sizes = one.start(**{VARIABLE: str(MOST)}), [0]
    while runner.poll() is None:
        sizes.append(size_of(one.spool))
        time.sleep(0.05)
    assert runner.returncode == 0, one.engine_log()
    check_flood(one.run)
    assert max(sizes) < MOST + BESIDE, "its spool"
    assert size_of(Path(one.run.workspace.location, "runs", one.run.id)) < MOST + TAIL_BYTES


def check_cut_short(run: Run, told: int) -> None:
    """Each line is there, or was left out and counted; the last that was printed is there."""
    log = run.get_log()
    assert log.count(MARKER) == len(LOST.findall(log)) == 1
    first, _, rest = log.partition("[The log has reached")
    lost, last = LOST.split(rest.partition("\n")[2])[1:]
    length = len("line 000000000000\n")
    printed = "".join(f"line {number:012}\n" for number in range(len(first) // length + 1))
    if len(first) % length:
        first = first.removesuffix("\n")  # a line of which the rest is after what was left out
    assert printed.startswith(first)
    number = (len(first) + int(lost.replace(",", ""))) // length
    assert number + len(last) // length >= told, "lines that were printed are missing at the end"
    lines = last.splitlines()[1:-1]
    assert lines == [f"line {number + n + 1:012}" for n in range(len(lines))]


def test_a_flood_whose_runner_is_killed_has_one_marker_and_its_end(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(MOST))
    told = tmp_path / "told"
    run = ws.experiment("e").submit(script(tmp_path, ENDLESS, str(told)))
    wait_for_much(run, told)
    runner_of(run).send_signal(signal.SIGKILL)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
    assert info.state is RunState.FAILED
    check_cut_short(run, int(told.read_text()))


def test_the_same_on_another_machine(far: Make, tmp_path: Path) -> None:
    told = tmp_path / "told"
    one = far(script(tmp_path, ENDLESS, str(told)))
    runner = one.start(**{VARIABLE: str(MOST)})
    wait_for_much(one.run, told)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    send_what_is_left(far, one, tmp_path)
    check_cut_short(one.run, int(told.read_text()))


def wait_for_much(run: Run, told: Path) -> None:
    """Until the log is full, and much more was printed since."""
    eventually(lambda: MARKER in run.get_log(), 90, "the log is full")
    wanted = int(told.read_text()) + 1_000_000
    eventually(lambda: int(told.read_text()) > wanted, 90, "it goes on")
