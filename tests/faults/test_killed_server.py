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

from ml_workspace_lab import CommandConfig, Workspace
from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.compute.model import Quotas, UpdateCompute
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.errors import Conflict, WorkspaceError
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import LogMetrics, MetricPoint, StartRun, UpdateRun
from ml_workspace_lab.jobs.model import CommandJob, SubmitRun
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


SUBMISSIONS, SUBMISSION_KILLS = 8, 5


def test_submissions_that_a_kill_interrupts_keep_their_order_and_are_there_once(
    served: Server, ws: Workspace, tmp_path: Path
) -> None:
    ws.connection.computes.update("local", UpdateCompute(quotas=Quotas(max_running=0)))
    (tmp_path / "code").mkdir()
    lines = tmp_path / "lines"
    first = ws.experiment("e").submit(CommandConfig(tmp_path / "code", ["true"]))
    snapshot = first.info().snapshot_id
    assert snapshot is not None
    first.cancel()
    tokens = {
        name: ws.connection.tokens.create(CreateToken(name)).token for name in ("anna", "bob")
    }

    def submit_all(owner: str) -> list[str]:
        made = list[str]()
        for number in range(SUBMISSIONS):
            job = CommandJob(["sh", "-c", f"echo {owner} {number} >>{lines}"])
            body = SubmitRun(job, snapshot, run_id=new_id())
            while not _acknowledged(served, tokens[owner], body):
                time.sleep(0.02)
            made.append(body.run_id or "")
        return made

    random.seed(2)
    with ThreadPoolExecutor() as pool:
        work = {owner: pool.submit(submit_all, owner) for owner in tokens}
        for _ in range(SUBMISSION_KILLS):
            time.sleep(random.uniform(0, 0.2))  # the instant of the kill is what is varied
            served.kill()
            served.start()
    made = {owner: done.result() for owner, done in work.items()}
    queued = ws.connection.computes.active_runs("local").run_ids
    assert sorted(queued) == sorted(made["anna"] + made["bob"])
    for ids in made.values():
        assert [run_id for run_id in queued if run_id in ids] == ids
    served.kill()
    ws.connection.computes.update("local", UpdateCompute(quotas=Quotas(max_running=1)))
    wake(served.root)
    eventually(lambda: not ws.connection.computes.active_runs("local").run_ids, 240)
    done = [line.split() for line in lines.read_text().splitlines()]
    for owner in made:
        assert [int(n) for name, n in done if name == owner] == list(range(SUBMISSIONS))
    assert len({tuple(name for name, _ in done[n : n + 2]) for n in range(0, len(done), 2)}) == 1


def _acknowledged(server: Server, token: str, body: SubmitRun) -> bool:
    try:
        Workspace.connect(server.url, token).connection.jobs.submit("e", body)
    except WorkspaceError:
        return False
    return True
