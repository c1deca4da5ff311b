"""A server that is killed under its runners, restored from a backup, or full."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import psutil

from ml_workspace_lab import CommandConfig, Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually
from tests.faults.servers import TOKEN, Server
from tests.jobs.runner.harness import Far
from tests.jobs.runner.history import Worker, check_complete, lines_of

Make = Callable[..., Far]


def test_a_server_that_is_killed_again_and_again_has_all_of_it(
    far: Make, served: Server, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    one = far(worker.config)
    one.start()
    worker.goes_on()
    random.seed(3)
    for _ in range(8):
        time.sleep(random.uniform(0, 0.5))  # the instant of the kill is what is varied
        served.kill()
        worker.goes_on(40)
        served.start()
    worker.end()
    assert one.started[0].wait(120) == 0, one.engine_log()
    check_complete(one.run, worker)
    assert worker.slowest < 2, "the work waits for nobody"


def test_a_server_that_was_put_back_to_an_earlier_state_is_told_again(
    far: Make, served: Server, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    one = far(worker.config)
    one.start()
    eventually(lambda: len(lines_of(one.run)) > 100, 60)
    copy = tmp_path / "store" / "backup.db"
    one.services.storage.database.copy_to(copy)
    seen = len(lines_of(one.run))
    eventually(lambda: len(lines_of(one.run)) > seen + 300, 60)
    served.kill()
    root = Path(one.run.workspace.location)
    for name in ("workspace.db-wal", "workspace.db-shm"):
        (root / name).unlink(missing_ok=True)
    copy.replace(root / "workspace.db")
    served.start()
    worker.goes_on()
    worker.end()
    assert one.started[0].wait(120) == 0, one.engine_log()
    again = Workspace.open(root)
    check_complete(again.run(one.run.id), worker)


def test_a_paused_runner_that_comes_back_after_another_was_begun_is_refused(
    far: Make, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    command = "echo attempt begun; while true; do echo tick; sleep 0.1; done"
    one = far(CommandConfig(tmp_path / "code", ["sh", "-c", command]))
    old = one.start()
    eventually(lambda: "tick" in one.run.get_log(), 60)
    old.send_signal(signal.SIGSTOP)  # SIGSTOP: to its workspace it is dead
    eventually(lambda: _is_stopped(old.pid), 10)
    ticks = one.run.get_log().count("tick")
    new = one.start()
    eventually(lambda: one.run.get_log().count("attempt begun") == 2, 60)
    old.send_signal(signal.SIGCONT)
    assert old.wait(60) == 0, one.engine_log()
    assert "Attempt 1 at run" in one.engine_log()
    refused = list(one.spool.glob("attempts/*-1-*/refused.txt"))
    assert len(refused) == 1, "what was refused is kept aside"
    kept = b"".join(p.read_bytes() for p in (refused[0].parent / "events").glob("*.events"))
    assert kept.count(b"tick") > ticks
    assert one.run.get_status() is RunState.RUNNING, "the new one goes on"
    one.run.cancel()
    assert new.wait(60) == 0
    assert one.run.get_status() is RunState.CANCELED
    assert one.run.get_log().count("attempt begun") == 2


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def test_a_stopped_process_is_not_responding_and_then_goes_on(far: Make, tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    one = far(worker.config)
    runner = one.start()
    worker.goes_on()
    eventually(lambda: one.run.get_status() is RunState.RUNNING, 30)
    runner.send_signal(signal.SIGSTOP)
    # The lease is over: as if 100 s had gone by since the last sign of life.
    beat = one.services.storage.run(one.run.id).heartbeat
    eventually(lambda: _is_stopped(runner.pid), 10)
    _age(beat, 100)
    info = eventually(lambda: _in_state(one, RunState.NOT_RESPONDING), 10)
    assert "No sign of life for 90 s" in info
    runner.send_signal(signal.SIGCONT)
    eventually(lambda: _in_state(one, RunState.RUNNING) is not None, 30)
    worker.end()
    assert runner.wait(120) == 0
    check_complete(one.run, worker)


def test_a_stopped_program_is_not_responding_though_its_runner_answers(
    far: Make, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    one = far(worker.config)
    runner = one.start()
    worker.goes_on()
    program = next(
        child
        for child in psutil.Process(runner.pid).children()
        if "work.py" in str(child.cmdline())
    )
    eventually(lambda: one.run.get_status() is RunState.RUNNING, 30)
    program.suspend()
    reason = eventually(lambda: _in_state(one, RunState.NOT_RESPONDING), 30)
    assert reason == "Its program stands still: it was stopped by a signal."
    one.services.attempts.append(one.run.id, 1, content=BytesIO(b""))
    assert _in_state(one, RunState.NOT_RESPONDING), "a sign of its runner's life changes nothing"
    program.resume()
    eventually(lambda: _in_state(one, RunState.RUNNING) is not None, 30)
    worker.end()
    assert runner.wait(120) == 0
    check_complete(one.run, worker)


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def _in_state(one: Far, state: RunState) -> str | None:
    info = one.run.info()
    return info.reason if info.state is state else None


def test_a_runner_that_is_killed_leaves_what_sync_sends(far: Make, tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    one = far(worker.config)
    runner = one.start()
    worker.goes_on()
    children = psutil.Process(runner.pid).children(recursive=True)
    runner.kill()
    runner.wait()
    for child in children:  # the target's part: nothing stays behind
        child.kill()
    psutil.wait_procs(children, 10)
    told = worker.told
    environment = {"ML_WORKSPACE_SPOOL": str(one.spool)}
    done = subprocess.run(
        [sys.executable, "-m", "ml_workspace_lab.cli.main", "-o", "json", "sync"],
        env={**os.environ, **environment, "ML_WORKSPACE": one.url, "ML_WORKSPACE_TOKEN": TOKEN},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert one.run.id in done.stdout
    info = one.run.info()
    assert info.state is RunState.FAILED
    assert "ended without a word" in info.reason
    steps = one.run.get_metric_history("step").steps.tolist()
    assert steps[:told] == list(range(told)), "each point that was logged"
    lines = lines_of(one.run)
    assert lines == list(range(len(lines)))
    assert not list(one.spool.glob("attempts/*"))
