"""A runner that is cut off from its workspace, or has a bad line to it."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually
from tests.faults.servers import Server
from tests.faults.test_network import HERE, NAME, BadLine, can_make_hosts
from tests.faults.test_network import host as host  # a line to another host
from tests.jobs.runner.harness import Far, keep_agents_away
from tests.jobs.runner.history import Worker, check_complete
from tests.jobs.runner.lines import SlowLine

INSIDE = ["ip", "netns", "exec", NAME]
needs_hosts = pytest.mark.skipif(not can_make_hosts(), reason="making hosts needs root and `ip`")


def can_shape() -> bool:
    """Whether this kernel has the queue that loses and delays: tried on a host of its own."""
    if not can_make_hosts() or not shutil.which("tc"):
        return False
    shape = "tc qdisc add dev lo root netem delay 1ms"
    tried = subprocess.run(
        ["unshare", "--net", "sh", "-c", shape], capture_output=True, check=False
    )
    return tried.returncode == 0


needs_shaping = pytest.mark.skipif(
    not can_shape(), reason="a bad line needs root, `tc` and a kernel with netem"
)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def cut_off(ws: Workspace, host: str, tmp_path: Path) -> Iterator[Callable[[Worker], Far]]:
    """Starts a job on the other host, whose workspace is served on this one."""
    held = keep_agents_away(Path(ws.location))
    server = Server(Path(ws.location), host=HERE)
    made: list[Far] = []

    def start(worker: Worker) -> Far:
        (tmp_path / "machine").mkdir()
        made.append(Far(ws, worker.config, server.url, tmp_path / "machine"))
        made[0].start(before=INSIDE)
        return made[0]

    yield start
    for one in made:
        one.end()
    server.kill()
    os.close(held)


@needs_hosts
def test_a_line_that_is_cut_again_and_again_costs_nothing(
    cut_off: Callable[[Worker], Far], host: str, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    one = cut_off(worker)
    worker.goes_on()
    for _ in range(3):
        _run("ip", "link", "set", host, "down")
        worker.goes_on(400)
        _run("ip", "link", "set", host, "up")
        worker.goes_on(100)
    _run("ip", "link", "set", host, "down")
    worker.end()  # it ends while nobody can be told so
    eventually(lambda: (tmp_path / "slowest").exists(), 60)
    assert one.run.get_status() is RunState.RUNNING
    _run("ip", "link", "set", host, "up")
    assert one.started[0].wait(120) == 0, one.engine_log()
    check_complete(one.run, worker)
    assert worker.slowest < 2, "the work waits for nobody"


@needs_shaping
def test_a_line_that_loses_a_third_and_takes_two_seconds_costs_nothing(
    cut_off: Callable[[Worker], Far], host: str, tmp_path: Path
) -> None:
    worker = Worker(tmp_path)
    one = cut_off(worker)
    worker.goes_on()
    # Half of the delay is on each of two ways: 2 s from a question to its answer.
    shape = ["netem", "delay", "1000ms", "loss", "15%"]
    _run("tc", "qdisc", "add", "dev", host, "root", *shape)
    there = f"{NAME}b"[-15:]
    _run(*INSIDE, "tc", "qdisc", "add", "dev", there, "root", *shape)
    worker.goes_on(2000)
    _run("tc", "qdisc", "del", "dev", host, "root")
    _run(*INSIDE, "tc", "qdisc", "del", "dev", there, "root")
    worker.end()
    assert one.started[0].wait(180) == 0, one.engine_log()
    check_complete(one.run, worker)
    assert worker.slowest < 2, "the work waits for nobody"


def test_connections_that_are_reset_anywhere_lose_and_double_nothing(
    far: Callable[..., Far], served: Server, tmp_path: Path
) -> None:
    line = BadLine(served.port)
    worker = Worker(tmp_path)
    one = far(worker.config, line.url)
    one.start()
    eventually(lambda: line.resets >= 15, 120, "connections are reset")
    worker.end()
    eventually(lambda: (tmp_path / "slowest").exists(), 60)
    line.is_bad = False
    assert one.started[0].wait(120) == 0, one.engine_log()
    check_complete(one.run, worker)


def test_a_slow_line_with_many_repeats_costs_nothing(
    far: Callable[..., Far], served: Server, tmp_path: Path
) -> None:
    line = SlowLine(served.port, delay=1.0, loss=0.3)
    worker = Worker(tmp_path)
    one = far(worker.config, line.url)
    one.start()
    worker.goes_on(1000)
    eventually(lambda: line.lost >= 10, 120, "much is lost")
    eventually(lambda: one.run.get_log().count("\n") > 500, 120, "and arrives all the same")
    line.is_bad = False
    worker.end()
    assert one.started[0].wait(120) == 0, one.engine_log()
    check_complete(one.run, worker)
    assert worker.slowest < 2, "the work waits for nobody"
