"""Signals' handlers and forked processes log as everybody does."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.storage.journal import JournalWriter


@pytest.fixture
def run(either: Workspace) -> Iterator[Run]:
    run = either.experiment("signals").start_logging()
    yield run
    run.complete()


def test_a_signals_handler_logs_to_the_run_from_its_first_value_on(ws: Workspace) -> None:
    code = f"""
import random, signal
from ml_workspace_lab import Workspace
run = Workspace.open({ws.location!r}).experiment("signals").start_logging()
by_handler = 0
def handler(*_):
    global by_handler
    run.log("m", 1)
    by_handler += 1
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 2e-4))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 1e-5)
logged = 0
while by_handler < 1000:
    run.log("m", 0)
    run.log(f"m{{logged % 50}}", logged)
    logged += 1
signal.signal(signal.SIGALRM, signal.SIG_IGN)
steps = run.get_metric_history("m").steps.tolist()
assert sorted(steps) == list(range(logged + by_handler)), (logged, by_handler)
assert sum(run.get_metric_history("m").values) == by_handler
run.complete()
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


def test_a_handler_may_open_the_journal_while_it_is_opened(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = run.workspace.connection
    opening = connection.metric_writer

    def interrupted(run_id: str) -> JournalWriter:
        monkeypatch.setattr(connection, "metric_writer", opening)
        writer = opening(run_id)
        run.log("m", 1)
        return writer

    monkeypatch.setattr(connection, "metric_writer", interrupted)
    run.log("m", 0)
    history = run.get_metric_history("m")
    assert (history.values.tolist(), history.steps.tolist()) == ([1, 0], [0, 1])


def test_grandchildren_log_whatever_their_parents_log(ws: Workspace) -> None:
    code = f"""
import os
from ml_workspace_lab import Workspace
experiment = Workspace.open({ws.location!r}).experiment("forks")
runs = [experiment.start_logging() for _ in range(8)]
for run in runs:
    run.log("m", 0)
if (child := os.fork()) == 0:
    for run in runs[::2]:
        run.log("m", 1)
    if (grandchild := os.fork()) == 0:
        for run in runs[::2]:
            run.log_list("m", [2] * 10)
        os._exit(0)
    assert os.waitpid(grandchild, 0)[1] == 0
    for run in runs[::2]:
        run.log_list("m", [3] * 10)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print([sum(run.get_metrics("m")["m"]) for run in runs[::2]])
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "[51.0, 51.0, 51.0, 51.0]\n", ended.stderr
