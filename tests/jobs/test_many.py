"""Many runs at once: order, restart, cancel; a background process that comes back finds them."""

import os
import signal
from pathlib import Path

from ml_workspace_lab import CommandConfig, Run, Workspace
from ml_workspace_lab.compute.model import Quotas, Resources, UpdateCompute
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.experiments.model import RunState
from tests.compute.conformance.runs import runner_of
from tests.conftest import end_agents, eventually

QUEUED = 300
LIVE = 12
SMALL = Resources(cores=0.1)


def submit(ws: Workspace, folder: Path, code: str) -> Run:
    (folder / "code").mkdir(exist_ok=True)
    return ws.experiment("e").submit(CommandConfig(folder / "code", ["sh", "-c", code]))


def limit(ws: Workspace, **quotas: int) -> None:
    ws.connection.computes.update("local", UpdateCompute({"slots": 100}, Quotas(**quotas)))


def test_a_long_queue_keeps_its_order_over_a_restart_and_is_canceled_whole(
    ws: Workspace, tmp_path: Path
) -> None:
    limit(ws, max_running=0)
    lines = tmp_path / "lines"
    runs = [submit(ws, tmp_path, f"echo {n} >>{lines}") for n in range(QUEUED)]
    assert [run.id for run in ws.compute_targets["local"].get_active_runs()] == [
        run.id for run in runs
    ]
    end_agents(Path(ws.location))
    limit(ws, max_running=1)
    runs[9].wait_for_completion(timeout_seconds=120)
    assert ws.cancel_runs() > QUEUED - 50
    eventually(lambda: not ws.runs(active=True), 60)
    done = [int(word) for word in lines.read_text().split()]
    assert done == list(range(len(done)))
    ends = {(run.get_status(), run.get_details()["reason"]) for run in runs}
    assert {state for state, _ in ends} == {RunState.COMPLETED, RunState.CANCELED}, ends


def test_a_new_background_process_adopts_the_living_and_finds_out_the_dead(
    ws: Workspace, tmp_path: Path
) -> None:
    limit(ws, max_running=LIVE)
    (tmp_path / "code").mkdir()
    go, lines = tmp_path / "go", tmp_path / "lines"
    code = f"echo a >>{lines}; while [ ! -e {go} ]; do sleep 0.2; done"
    runs = [
        ws.experiment("e").submit(
            CommandConfig(tmp_path / "code", ["sh", "-c", code], resources=SMALL)
        )
        for _ in range(LIVE)
    ]
    eventually(lambda: lines.exists() and len(lines.read_text().split()) == LIVE, 180)
    end_agents(Path(ws.location))
    dead, living = runs[:3], runs[3:]
    for run in dead:
        os.kill(runner_of(run).pid, signal.SIGKILL)
    assert all(run.get_status() is RunState.RUNNING for run in dead)
    wake(Path(ws.location))
    for run in dead:
        eventually(lambda run=run: run.get_status() is RunState.FAILED, 30)
    assert all(run.get_status() is RunState.RUNNING for run in living)
    end_agents(Path(ws.location))
    go.touch()
    for run in living:
        assert run.wait_for_completion(timeout_seconds=120).state is RunState.COMPLETED
    wake(Path(ws.location))
    eventually(lambda: ws.compute_targets["local"].info().running == 0, 30)
    assert len(lines.read_text().split()) == LIVE, "none twice"
