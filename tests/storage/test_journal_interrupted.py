"""A signal's handler may log at any moment, and a process may fork at any depth."""

import os
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from ml_workspace_lab.storage import journal
from ml_workspace_lab.storage.journal import JournalWriter
from tests.storage.test_journal import read_points

# In a process of its own: pytest's own limit of time needs SIGALRM.
LOGGING = """
import random, signal, sys
from pathlib import Path
from ml_workspace_lab.storage import journal

journal.FIRST_SEGMENT, journal.SEGMENT = 64, 128
writer = journal.JournalWriter(Path(sys.argv[1]))
logged = from_handler = 0

def handler(*_):
    global from_handler
    writer.append(f"handler{from_handler % 50}", float(from_handler))
    writer.append("both", 1.0)
    from_handler += 1
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 4e-5))

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 1e-5)
while logged < 20_000 or from_handler < 3_000:
    writer.append(f"main{logged % 500}", float(logged))
    writer.append("both", 0.0)
    logged += 1
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print(logged, from_handler, writer.count)
"""


def test_a_handler_that_logs_at_a_high_rate_loses_nothing_and_writes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", LOGGING, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    logged, from_handler, count = map(int, said.stdout.split())
    monkeypatch.setattr(journal, "FIRST_SEGMENT", 64)
    monkeypatch.setattr(journal, "SEGMENT", 128)
    points = read_points(tmp_path)
    assert len(points) == count == 2 * (logged + from_handler)
    main = [point.value for point in points if point.key.startswith("main")]
    assert main == [*map(float, range(logged))]
    handler = [point.value for point in points if point.key.startswith("handler")]
    assert handler == [*map(float, range(from_handler))]
    both = [point for point in points if point.key == "both"]
    assert [point.step for point in both] == list(range(logged + from_handler))
    assert sum(point.value for point in both) == from_handler


@pytest.mark.parametrize("begins", ["in the process", "in the child of a fork"])
def test_a_handler_may_log_between_any_two_calls_of_an_append(tmp_path: Path, begins: str) -> None:
    """Every call and return within `append` is interrupted once, from the first append on."""
    moment, done = 0, False
    while not done:
        folder = tmp_path / str(moment)
        writer = JournalWriter(folder)
        if begins != "in the process":
            writer.forget_parents()
        done = not _append_interrupted(writer, moment)
        points = read_points(folder)
        expected = ["main", *([] if done else ["handler"]), "main", "new"]
        assert sorted(p.key for p in points) == sorted(expected), moment
        assert sorted(p.step for p in points if p.key == "main") == [0, 1], moment
        assert writer.count == len(points), moment
        writer.close()
        moment += 1
    assert moment > 20


def _append_interrupted(writer: JournalWriter, moment: int) -> bool:
    """Append "main", and in the midst of it, at the call of that number, "handler" as a signal's
    handler would. Whether there was so late a call."""
    seen, code = -1, JournalWriter.append.__code__

    def interrupt(frame: Any, event: str, _: Any) -> None:
        nonlocal seen
        if event in ("call", "c_return", "return") and _is_within(frame, code):
            seen += 1
            if seen == moment:
                sys.setprofile(None)
                writer.append("handler", 5.0)

    sys.setprofile(interrupt)
    try:
        writer.append("main", 1.0)
    finally:
        sys.setprofile(None)
    interrupted = seen >= moment
    writer.append("main", 2.0)
    writer.append("new", 3.0)
    return interrupted


def _is_within(frame: Any, code: CodeType) -> bool:
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False


def test_grandchildren_and_their_parents_log_to_journals_of_their_own(tmp_path: Path) -> None:
    writers = [JournalWriter(tmp_path / str(number)) for number in range(20)]
    some = range(0, 20, 2)

    def log(who: str) -> None:
        for number in some:
            for step in range(10):
                writers[number].append(who, float(step))

    for writer in writers:
        writer.append("before", 0.0)
    child = os.fork()
    if child == 0:
        log("child")  # and to the others nothing
        grandchild = os.fork()
        if grandchild == 0:
            log("grandchild")
            os._exit(0)
        status = os.waitpid(grandchild, 0)[1]
        log("child again")
        os._exit(os.waitstatus_to_exitcode(status))
    assert os.waitpid(child, 0)[1] == 0
    log("parent")
    for number in some:
        points = read_points(tmp_path / str(number))
        for name in ("parent", "child", "child again", "grandchild"):
            assert [p.value for p in points if p.key == name] == [*map(float, range(10))], name
