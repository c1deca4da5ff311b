"""A database that another program holds, seen over HTTP: writes are refused soon, reads answer, and
nothing of what goes on is lost."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Workspace
from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.storage.database import BUSY_SECONDS
from tests.conftest import eventually
from tests.faults.servers import Server
from tests.http import Answer
from tests.server.http import Client
from tests.storage.test_locked_and_damaged import HOLDER

SLACK = 3.0
"""Seconds that a busy machine may take longer."""


@contextmanager
def held(database: Path) -> Iterator[None]:
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", HOLDER, str(database)]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.communicate("")


@pytest.fixture
def served(ws: Workspace) -> Iterator[Server]:
    server = Server(Path(ws.location))
    yield server
    server.kill()


def timed(ask: Client, *words: str, body: object = None) -> tuple[Answer, float]:
    began = time.monotonic()
    answer = ask(*words, body)  # type: ignore[call-arg]
    return answer, time.monotonic() - began


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [8.0, pytest.param(60.0, marks=pytest.mark.long)])
def test_while_another_program_holds_the_database_the_server_answers(
    ws: Workspace, served: Server, tmp_path: Path, seconds: float
) -> None:
    token = ws.connection.tokens.create(CreateToken("client", ["*"])).token
    ask = Client(f"{served.url}/", f"Bearer {token}")
    (tmp_path / "code").mkdir()
    wait = f"touch {tmp_path}/begun; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 3"
    job = ws.experiment("e").submit(CommandConfig(tmp_path / "code", ["sh", "-c", wait]))
    eventually((tmp_path / "begun").exists, 60)
    far = served.connect().experiment("e").start_logging()
    far.log("m", -1.0)

    def write(number: int) -> tuple[Answer, float]:
        return timed(ask, "POST", "/experiments/e/runs", body={"display_name": str(number)})

    slowest = 0.0
    with held(Path(ws.location) / "workspace.db"), ThreadPoolExecutor(8) as pool:
        over = time.monotonic() + seconds
        (tmp_path / "go").touch()
        refused = [pool.submit(write, number) for number in range(8)]
        for path in ("/runs", f"/runs/{far.id}", f"/runs/{job.id}", "/workspace", "/tokens"):
            answer, took = timed(ask, "GET", path)
            assert answer.status == 200, answer.content
            assert took < 1 + SLACK, path
        for step in range(1000):
            began = time.monotonic()
            far.log("m", float(step))
            slowest = max(slowest, time.monotonic() - began)
        for done in refused:
            answer, took = done.result()
            assert (answer.status, answer.json["error_code"]) == (503, "Unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert took < BUSY_SECONDS + 1 + SLACK
        while time.monotonic() < over:
            assert timed(ask, "GET", "/runs")[1] < 1 + SLACK
            time.sleep(0.2)
    assert slowest < 1, "the loop that logs waits for nothing"
    far.complete()
    assert far.get_metric_history("m").values.tolist() == [-1.0, *map(float, range(1000))]
    assert job.wait_for_completion(raise_on_error=False, timeout_seconds=60).state is (
        RunState.FAILED
    )
    assert "exit code 3" in job.info().reason
    assert len(ws.runs()) == 2, "what was refused is not there"
