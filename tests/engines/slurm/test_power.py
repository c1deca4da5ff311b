"""A cluster that is as large as its work: nodes are switched on for runs, and off when idle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, ComputeTarget, Workspace
from ml_workspace_lab.compute.model import Resources, Scaling
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import end_work
from tests.engines.lan import why_there_are_no_hosts
from tests.engines.slurm import configuration
from tests.engines.slurm.cluster import missing
from tests.engines.slurm.power import PowerSaving
from tests.waiting import eventually


@pytest.fixture
def saving() -> Iterator[PowerSaving]:
    if missing() or why_there_are_no_hosts():
        pytest.skip("there is no Slurm to be started here: see the others' reasons")
    cluster = PowerSaving()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def test_nodes_are_switched_on_for_a_run_and_off_when_there_is_none(
    ws: Workspace, saving: PowerSaving, tmp_path: Path
) -> None:
    settings = {"config": str(saving.conf), "poll_seconds": 0.1}
    target = ComputeTarget.attach(ws, "cluster", "slurm", settings)
    capacity = ws.connection.computes.capacity("cluster")
    assert capacity.scaling == Scaling(1, 3, configuration.IDLE_SECONDS)
    saving.wait_until_only_the_first_is_on()
    eventually(
        lambda: [node.state for node in target.list_nodes()] == ["idle", "idle~", "idle~"],
        what="the target's nodes are shown as they are",
    )
    (tmp_path / "code").mkdir()
    config = CommandConfig(
        tmp_path / "code",
        ["sh", "-c", "echo $SLURM_JOB_NUM_NODES nodes"],
        compute_target="cluster",
        resources=Resources(nodes=3),
    )
    run = ws.experiment("e").submit(config)
    assert run.wait_for_completion(timeout_seconds=180).state is RunState.COMPLETED
    assert run.get_log() == "3 nodes\n"
    reasons = [change.reason for change in run.status_history]
    assert "Waiting: CONFIGURING." in reasons, "what it waits for is told"
    saving.wait_until_only_the_first_is_on()
    end_work(ws)
