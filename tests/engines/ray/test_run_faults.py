"""Break each part of a real Ray in the middle of a run: it has its one true end, what was
acknowledged is there once, nothing begins twice, and no process is left behind."""

from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Run
from ml_workspace_lab.experiments.model import RunInfo, RunState
from tests.compute.conformance import Target
from tests.compute.conformance.work import Work
from tests.conftest import eventually
from tests.engines.ray.cluster import Cluster
from tests.engines.ray.conftest import SECONDS, TARGET


@pytest.fixture
def history(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.fixture
def run(runs_target: Target, history: Work) -> Run:
    """A run in its middle."""
    return history.submit(runs_target.ws, TARGET)


def end_of(run: Run) -> RunInfo:
    return run.wait_for_completion(raise_on_error=False, timeout_seconds=5 * SECONDS)


def check_gone(cluster: Cluster, history: Work) -> None:
    eventually(lambda: not history.processes(), SECONDS, "its program is gone")
    eventually(lambda: not cluster.jobs_processes(), SECONDS, "no process of a job is left")


def check_what_the_next_runner_brings(target: Target, run: Run, history: Work) -> None:
    """What lay on the node alone comes with the next runner there."""
    go = history.folder / "go"
    words = ["sh", "-c", f"while [ ! -e {go} ]; do sleep 0.1; done"]
    config = CommandConfig(history.source, words, compute_target=TARGET)
    following = target.ws.experiment("e").submit(config)
    eventually(
        lambda: len(run.get_metrics().get("step", ())) > history.last,
        2 * SECONDS,
        "all that was acknowledged is there",
    )
    go.touch()
    assert end_of(following).state is RunState.COMPLETED
    history.check(run, whole_log=False)


def test_a_supervisor_that_is_killed_ends_its_run(
    runs_target: Target, run: Run, history: Work, cluster: Cluster
) -> None:
    cluster.kill_supervisor(run.id)
    info = end_of(run)
    assert info.state is RunState.FAILED
    assert info.reason
    check_gone(cluster, history)
    check_what_the_next_runner_brings(runs_target, run, history)


def test_a_node_whose_raylet_dies_ends_its_run(
    runs_target: Target, run: Run, history: Work, cluster: Cluster
) -> None:
    cluster.kill(cluster.worker, "raylet")
    assert end_of(run).state is RunState.FAILED
    check_gone(cluster, history)
    cluster.restore()
    check_what_the_next_runner_brings(runs_target, run, history)


def test_a_node_that_ray_has_given_up_for_its_silence_ends_its_run(
    runs_target: Target, run: Run, history: Work, cluster: Cluster
) -> None:
    cluster.worker.cut()
    info = end_of(run)
    assert info.state is RunState.FAILED
    cluster.worker.mend()
    check_gone(cluster, history)
    cluster.restore()
    check_what_the_next_runner_brings(runs_target, run, history)


def test_a_head_that_dies_ends_its_runs_with_all_records_of_them(
    runs_target: Target, run: Run, history: Work, cluster: Cluster
) -> None:
    cluster.kill(cluster.head, "gcs_server")
    eventually(lambda: not history.processes(), SECONDS, "its program is gone")
    cluster.restore()
    info = end_of(run)
    assert info.state is RunState.FAILED
    check_gone(cluster, history)
    check_what_the_next_runner_brings(runs_target, run, history)
