"""A server that is killed again and again: what it acknowledged is there, once."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from statistics import median

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, WorkspaceError
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import LogMetrics, MetricPoint, StartRun, UpdateRun
from tests.conftest import eventually
from tests.faults.servers import Server

LOG = logging.getLogger(__name__)
KILLS = int(os.environ.get("ML_WORKSPACE_TEST_KILLS", "25"))


class Client:
    """Does one thing after another and writes down what was acknowledged."""

    def __init__(self, server: Server, number: int, over: threading.Event) -> None:
        self._server, self._number, self._over = server, number, over
        self.runs: dict[str, dict[str, set[str]]] = {}

    def run(self) -> None:
        workspace = self._connected()
        while not self._over.is_set():
            self._one_run(workspace)

    def _connected(self) -> Workspace:
        while True:
            with suppress(WorkspaceError):
                return self._server.connect()
            time.sleep(0.02)

    def _one_run(self, workspace: Workspace) -> None:
        connection, run_id = workspace.connection, new_id()
        if not self._tried(lambda: connection.runs.start("load", StartRun(run_id=run_id))):
            return
        self.runs[run_id] = {"params": set(), "metrics": set(), "artifacts": set()}
        for step in range(20):
            if self._over.is_set():
                return
            self._one_step(workspace, run_id, f"{self._number}-{step}", step)

    def _one_step(self, workspace: Workspace, run_id: str, name: str, step: int) -> None:
        connection, known = workspace.connection, self.runs[run_id]
        params = UpdateRun(params={name: step})
        if self._tried(lambda: connection.runs.update(run_id, params)):
            known["params"].add(name)
        points = LogMetrics([MetricPoint(name, float(step), step)])
        if self._tried(lambda: connection.metrics.log(run_id, points)):
            known["metrics"].add(name)
        body = BytesIO(os.urandom(random.choice([10, 100_000])))
        if self._tried(lambda: connection.artifacts.put(run_id, name, body)):
            known["artifacts"].add(name)

    def _tried(self, action: Callable[[], object]) -> bool:
        """Whether the server acknowledged the action; one that was cut off may be done or not."""
        try:
            action()
        except Conflict:
            return True  # The attempt that was cut off had been done.
        except WorkspaceError:
            time.sleep(0.02)
            return False
        return True


@pytest.fixture
def served(ws: Workspace) -> Iterator[Server]:
    server = Server(Path(ws.location))
    yield server
    server.kill()


def test_what_was_acknowledged_survives_every_kill(served: Server) -> None:
    over = threading.Event()
    clients = [Client(served, number, over) for number in range(3)]
    random.seed(1)
    down = list[float]()
    with ThreadPoolExecutor() as pool:
        work = [pool.submit(client.run) for client in clients]
        try:
            for _ in range(KILLS):
                time.sleep(random.uniform(0, 0.3))  # the instant of the kill is what is varied
                served.kill()
                begun = time.monotonic()
                served.start()
                down.append(time.monotonic() - begun)
        finally:
            over.set()
    for done in work:
        done.result()
    served.kill()
    LOG.info("up again after %.2f s at the median, %.2f s at most", median(down), max(down))

    workspace = Workspace.open(served.root)
    checked = 0
    for client in clients:
        for run_id, known in client.runs.items():
            run = workspace.run(run_id)
            info = run.info()
            assert known["params"] <= set(info.params)
            assert known["artifacts"] <= set(run.get_file_names())
            for name in known["metrics"]:
                assert info.metrics[name].count == 1, name
                checked += 1
            for artifact in run.get_artifacts():
                assert len(run.read_artifact(artifact.path)) == artifact.size
    assert checked > KILLS
    assert workspace.diagnose().items[0].level == "Information"
    eventually(lambda: not list((served.root / "tmp").glob("*")))
