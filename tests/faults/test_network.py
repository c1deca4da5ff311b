"""A client cut off from its server, and one behind a bad line: every point arrives, once."""

import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.experiments.model import RunState
from tests.faults.servers import TOKEN, Server

NAME = f"mlws{os.getpid()}"
HERE, THERE = "10.207.0.1", "10.207.0.2"

CLIENT = """
import sys
from ml_workspace_lab import Workspace
run = Workspace.connect(sys.argv[1], sys.argv[2]).experiment("line").start_logging()
print(run.id, flush=True)
step = 0
for line in sys.stdin:
    for _ in range(int(line)):
        run.log("m", step, step)
        step += 1
    print(step, flush=True)
run.complete()
"""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def can_make_hosts() -> bool:
    if os.geteuid() or not shutil.which("ip"):
        return False
    return subprocess.run(["ip", "netns", "list"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def host() -> Iterator[str]:
    """Another host, joined to this one by a line of its own; its name."""
    _ip("netns", "add", NAME)
    try:
        here, there = f"{NAME}a"[-15:], f"{NAME}b"[-15:]
        _ip("link", "add", here, "type", "veth", "peer", "name", there)
        _ip("link", "set", there, "netns", NAME)
        _ip("addr", "add", f"{HERE}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("netns", "exec", NAME, "ip", "addr", "add", f"{THERE}/30", "dev", there)
        _ip("netns", "exec", NAME, "ip", "link", "set", there, "up")
        yield here
    finally:
        _ip("netns", "del", NAME)


class RemoteClient:
    """A process on the other host that logs as many points as it is told to."""

    def __init__(self, url: str, spool: Path) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", NAME, sys.executable, "-c", CLIENT, url, TOKEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ML_WORKSPACE_SPOOL": str(spool)},
        )
        self.run_id = self._read()

    def log(self, count: int) -> int:
        """Log more points; how many there are now. Returns when the calls have."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return int(self._read())

    def end(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(120)

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


needs_hosts = pytest.mark.skipif(not can_make_hosts(), reason="making hosts needs root and `ip`")


@needs_hosts
def test_a_line_that_is_cut_in_the_middle_costs_nothing(
    ws: Workspace, host: str, tmp_path: Path
) -> None:
    server = Server(Path(ws.location), host=HERE)
    try:
        client = RemoteClient(server.url, tmp_path / "spool")
        for _ in range(3):
            client.log(20_000)
            _ip("link", "set", host, "down")
            client.log(20_000)  # returns though nobody can be reached
            _ip("link", "set", host, "up")
        assert client.end() == 0
    finally:
        server.kill()
    run = ws.run(client.run_id)
    assert run.get_metric_history("m").steps.tolist() == list(range(120_000))
    assert run.get_status() is RunState.COMPLETED


class BadLine:
    """Passes bytes on both ways, and resets each connection after a random number of them: requests
    are cut off, and so are answers to requests that were done."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.resets = 0
        self.is_bad = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        random.seed(7)
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            left = [random.randrange(200, 400_000)]
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(one, other, left), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, left: list[int]) -> None:
        with suppress(OSError):
            while part := one.recv(4096):
                left[0] -= len(part)
                if self.is_bad and left[0] < 0:
                    self.resets += 1
                    break
                other.sendall(part)
        for end in (one, other):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
                end.close()


def test_connections_that_break_anywhere_lose_and_double_nothing(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_WORKSPACE_SPOOL", str(tmp_path / "spool"))
    server = Server(Path(ws.location))
    try:
        run = server.connect().experiment("line").start_logging()
        line = BadLine(server.port)
        run._metrics._connection = Workspace.connect(line.url, TOKEN).connection
        step = 0
        while line.resets < 15:
            for _ in range(2000):
                run.log("m", step, step)
                step += 1
            with suppress(WorkspaceError):
                run.flush()
        line.is_bad = False
        run.complete()
    finally:
        server.kill()
    assert ws.run(run.id).get_metric_history("m").steps.tolist() == list(range(step))
