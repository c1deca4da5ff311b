"""Break each part of a real Slurm in mid-run: the run has its one true end, what was acknowledged
is there once, nothing begins twice, and no process is left behind."""

import shutil
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.compute.driver import native_name
from ml_workspace_lab.experiments.model import RunInfo, RunState
from tests.compute.conformance.work import Work
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.conftest import TARGET
from tests.waiting import eventually


@pytest.fixture
def history(tmp_path: Path) -> Work:
    return Work(tmp_path)


@pytest.fixture
def run(lab: Workspace, history: Work) -> Run:
    """A run in its middle."""
    return history.submit(lab, TARGET)


def end_of(run: Run, seconds: float = 60) -> RunInfo:
    return run.wait_for_completion(raise_on_error=False, timeout_seconds=seconds)


def runner_of(slurm: Cluster, run: Run) -> psutil.Process:
    for pid in slurm.jobs_processes():
        process = psutil.Process(pid)
        if "ml_workspace_lab.jobs.runner" in process.cmdline():
            return process
    raise AssertionError("no runner")


def check_gone(slurm: Cluster, *runs: Run) -> None:
    """No job of the runs is left, nor any process. What a controller that was killed had not saved
    of the end of others, it finds out by and by."""
    names = ",".join(native_name(run.id, 1) for run in runs)
    eventually(lambda: not slurm.ask("squeue", "--noheader", f"--name={names}"), what="no job")
    eventually(lambda: not slurm.jobs_processes(), what="no process is left")


def test_a_nodes_daemon_that_is_killed_leaves_the_run_alone(
    run: Run, history: Work, slurm: Cluster
) -> None:
    [(_, node)] = history.begun
    slurm.kill_daemon(node)
    history.wait_for_more()
    assert run.get_status() is RunState.RUNNING
    slurm.start_node(node)
    history.end()
    assert end_of(run).state is RunState.COMPLETED
    history.check(run)
    check_gone(slurm, run)


def test_a_run_of_a_node_that_is_gone_is_lost(run: Run, history: Work, slurm: Cluster) -> None:
    [(_, node)] = history.begun
    slurm.kill_node(node)
    info = end_of(run, 60)
    assert info.state is RunState.FAILED
    assert "NODE_FAIL" in info.reason
    slurm.start_node(node)
    slurm.wait_until_idle()
    history.check(run, whole_log=False)
    check_gone(slurm, run)


def test_a_node_that_slurm_has_given_up_is_not_the_end_of_a_run_that_goes_on(
    run: Run, history: Work, slurm: Cluster
) -> None:
    [(job, node)] = history.begun
    slurm.kill_daemon(node)
    words = ["--noheader", "--states=all", f"--jobs={job}", "--format=%T"]
    eventually(lambda: "NODE_FAIL" in slurm.ask("squeue", *words), 60, "the node is given up")
    history.wait_for_more()
    assert not run.get_status().is_terminal
    slurm.start_node(node)
    info = end_of(run)
    assert info.state is RunState.FAILED, "Slurm ends it when the node is back"
    history.check(run)
    check_gone(slurm, run)


def test_a_controller_that_is_killed_at_the_start_of_a_run_does_not_run_it_twice(
    run: Run, history: Work, slurm: Cluster
) -> None:
    slurm.kill_controller()
    history.wait_for_more()
    history.end()
    assert end_of(run).state is RunState.COMPLETED, "with no controller to tell"
    slurm.start_controller()
    slurm.wait_until_answers()
    check_gone(slurm, run)
    history.check(run)


def test_a_controller_that_is_killed_later_leaves_the_run_alone(
    run: Run, history: Work, slurm: Cluster
) -> None:
    [(job, _)] = history.begun
    slurm.wait_until_saved(job)
    slurm.kill_controller()
    history.wait_for_more()
    slurm.start_controller()
    slurm.wait_until_answers()
    history.wait_for_more()
    assert run.get_status() is RunState.RUNNING
    history.end()
    assert end_of(run).state is RunState.COMPLETED
    history.check(run)
    check_gone(slurm, run)


def test_a_run_that_was_submitted_without_a_controller_begins_when_there_is_one(
    lab: Workspace, history: Work, slurm: Cluster
) -> None:
    slurm.kill_controller()
    run = lab.experiment("e").submit(history.config(TARGET))
    other = lab.experiment("e").submit(history.config(TARGET))
    other.cancel()
    assert not run.get_status().is_terminal
    slurm.start_controller()
    history.wait_for_more()
    history.end()
    assert end_of(run).state is RunState.COMPLETED
    assert end_of(other).state is RunState.CANCELED
    history.check(run)
    check_gone(slurm, run, other)


def test_a_second_job_of_the_same_name_is_refused_the_run(
    run: Run, history: Work, slurm: Cluster, tmp_path: Path
) -> None:
    [(job, _)] = history.begun
    copy = tmp_path / "copy.sh"
    copy.write_text(slurm.ask("scontrol", "write", "batch_script", job, "-"))
    name = slurm.ask("squeue", "--noheader", f"--jobs={job}", "--format=%j").strip()
    words = ["--parsable", f"--job-name={name}", "--output=/dev/null", str(copy)]
    second = slurm.ask("sbatch", *words).strip()

    def state() -> str:
        words = ["--noheader", "--states=all", f"--jobs={second}", "--format=%T"]
        return slurm.ask("squeue", *words).strip()

    eventually(lambda: state() == "FAILED", what="the second one leaves")
    history.wait_for_more()
    history.end()
    assert end_of(run).state is RunState.COMPLETED
    history.check(run)
    check_gone(slurm, run)


def test_a_job_that_slurm_has_forgotten_is_lost(run: Run, history: Work, slurm: Cluster) -> None:
    [(job, _)] = history.begun
    runner = runner_of(slurm, run)
    runner.suspend()
    slurm.kill_controller()
    runner.kill()
    eventually(lambda: not runner.is_running(), what="it ends with nobody to tell")
    shutil.rmtree(slurm.folder / "state")
    slurm.start_controller()
    info = end_of(run)
    assert info.state is RunState.FAILED
    assert f"Slurm has no record of job {job}" in info.reason
    history.check(run, whole_log=False)
    check_gone(slurm, run)
