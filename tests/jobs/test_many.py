"""Many runs at once: order, restart, cancel; a background process that comes back finds them. The
long ones are as many as the fault matrix names, and keep its bounds (what submitting and listing
take is in benchmarks/jobs/long_queue.py)."""

import os
import signal
import time
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Run, Workspace
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.compute.model import Quotas, Resources, UpdateCompute
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.experiments.model import RunState
from tests.compute.conformance.runs import runner_of
from tests.conftest import end_agents, eventually

SMALL = Resources(cores=0.02)
MATRIX_QUEUED, MATRIX_LIVE = 10_000, 50
CANCEL_SECONDS, RECONCILE_SECONDS = 5.0, 10.0
"""The fault matrix: its numbers, and the bounds that hold for them."""


def submit(ws: Workspace, folder: Path, code: str) -> Run:
    (folder / "code").mkdir(exist_ok=True)
    config = CommandConfig(folder / "code", ["sh", "-c", code], resources=SMALL)
    return ws.experiment("e").submit(config)


def as_user(ws: Workspace, name: str) -> Workspace:
    assert isinstance(ws.connection, LocalConnection)
    return Workspace(LocalConnection(ws.connection.storage, Principal(name, "Owner")))


def limit(ws: Workspace, **quotas: int) -> None:
    ws.connection.computes.update("local", UpdateCompute({"slots": 100}, Quotas(**quotas)))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("queued", [300, pytest.param(MATRIX_QUEUED, marks=pytest.mark.long)])
def test_a_long_queue_keeps_its_order_over_a_restart_and_is_canceled_whole(
    ws: Workspace, tmp_path: Path, queued: int
) -> None:
    limit(ws, max_running=0)
    lines = tmp_path / "lines"
    owners = [as_user(ws, name) for name in ("anna", "bob")]
    half = queued // 2
    runs = [submit(owners[n // half], tmp_path, f"echo {n} >>{lines}") for n in range(queued)]
    assert ws.connection.computes.active_runs("local").run_ids == [run.id for run in runs]
    end_agents(Path(ws.location))
    limit(ws, max_running=1)
    runs[4].wait_for_completion(timeout_seconds=120)
    runs[half + 4].wait_for_completion(timeout_seconds=120)
    began = time.monotonic()
    assert ws.cancel_runs() > queued - 50
    assert queued < MATRIX_QUEUED or time.monotonic() - began <= CANCEL_SECONDS
    eventually(lambda: not ws.runs(active=True), 60)
    done = [int(word) for word in lines.read_text().split()]
    assert len(done) >= 10
    in_turns = [n for pair in zip(range(half), range(half, queued), strict=True) for n in pair]
    assert done == in_turns[: len(done)], "two users take turns, and each one's are in order"
    ends = {(run.get_status(), run.get_details()["reason"]) for run in runs}
    assert {state for state, _ in ends} == {RunState.COMPLETED, RunState.CANCELED}, ends


@pytest.mark.parametrize("live", [12, pytest.param(MATRIX_LIVE, marks=pytest.mark.long)])
def test_a_new_background_process_adopts_the_living_and_finds_out_the_dead(
    ws: Workspace, tmp_path: Path, live: int
) -> None:
    limit(ws, max_running=live)
    lines = tmp_path / "lines"

    def begin(group: str) -> Run:
        wait = f"while [ ! -e {tmp_path / group} ]; do sleep 0.2; done"
        return submit(ws, tmp_path, f"echo a >>{lines}; {wait}")

    groups = ["ends while nobody looks", "dies", "lives", "lives"]
    groups = [group.replace(" ", "-") for group in groups]
    runs = [(group, begin(group)) for group in (groups * live)[:live]]
    eventually(lambda: lines.exists() and len(lines.read_text().split()) == live, 240)
    end_agents(Path(ws.location))
    ended, dead, living = (
        [run for group, run in runs if group == wanted] for wanted in dict.fromkeys(groups)
    )
    for run in dead:
        os.kill(runner_of(run).pid, signal.SIGKILL)
    (tmp_path / groups[0]).touch()
    for run in ended:
        assert run.wait_for_completion(timeout_seconds=120).state is RunState.COMPLETED
    assert all(run.get_status() is RunState.RUNNING for run in dead)
    wake(Path(ws.location))
    eventually(
        lambda: (
            all(run.get_status() is RunState.FAILED for run in dead)
            and ws.compute_targets["local"].info().running == len(living)
        ),
        RECONCILE_SECONDS if live == MATRIX_LIVE else 30,
        "what is gone is found out, and what lives is adopted",
    )
    assert all(run.get_status() is RunState.RUNNING for run in living)
    end_agents(Path(ws.location))
    (tmp_path / groups[2]).touch()
    for run in living:
        assert run.wait_for_completion(timeout_seconds=120).state is RunState.COMPLETED
    wake(Path(ws.location))
    eventually(lambda: ws.compute_targets["local"].info().running == 0, 30)
    assert len(lines.read_text().split()) == live, "none twice"
