"""Runs of a workspace on a real Slurm, as a user has them."""

import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import NotebookRunConfig, Run, Workspace
from ml_workspace_lab.compute.model import AttachCompute, Resources
from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import CommandJob, SubmitRun
from tests.engines.commands import walk
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.conftest import TARGET
from tests.notebook.kernels import kernel_in
from tests.notebooks import write_notebook
from tests.waiting import eventually

CODE = """
import os, time
from pathlib import Path
from ml_workspace_lab import Run
print("on", os.environ["SLURMD_NODENAME"], flush=True)
Run.get_context().log("x", 1.5)
Path("outputs/a.txt").write_text("made")
while not Path(FOLDER, "enough").exists(): time.sleep(0.02)
"""


@pytest.fixture
def folder(lab: Workspace, tmp_path: Path) -> Path:
    """A folder of the workspace, with a notebook that goes on until `enough` is there."""
    made = tmp_path / "project"
    made.mkdir()
    lab.write_config(made)
    write_notebook(made / "nb.ipynb", CODE.replace("FOLDER", repr(str(tmp_path))))
    return made


def check_outputs(run: Run) -> None:
    assert run.get_metrics() == {"x": 1.5}
    assert run.read_artifact("outputs/a.txt") == b"made"
    assert b"on slu" in run.read_artifact("output.ipynb")


def test_a_notebook_runs_there_with_its_log_metrics_and_outputs(
    lab: Workspace, folder: Path
) -> None:
    run = lab.experiment("e").submit(NotebookRunConfig(folder, "nb.ipynb", compute_target=TARGET))
    eventually(lambda: "on slu" in run.get_log(), 60, "its log is there while it runs")
    assert run.get_status() is RunState.RUNNING
    (folder.parent / "enough").touch()
    assert run.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED
    check_outputs(run)


def test_the_magic_and_the_command_send_a_notebook_there(lab: Workspace, folder: Path) -> None:
    (folder.parent / "enough").touch()
    with kernel_in(folder) as kernel:
        assert "Traceback" not in kernel(f"%ws_run nb.ipynb --compute {TARGET} --wait").text
    words = ["run", "nb.ipynb", "--compute", TARGET, "--follow"]
    done = subprocess.run(
        [sys.executable, "-m", "ml_workspace_lab.cli.main", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "on slu" in done.stdout
    runs = lab.runs()
    assert [run.get_status() for run in runs] == [RunState.COMPLETED] * 2
    for run in runs:
        check_outputs(run)


def test_the_command_line_is_enough(ws: Workspace, slurm: Cluster, tmp_path: Path) -> None:
    settings = ["--set", f"config={slurm.conf}", "--set", "poll_seconds=0.2"]
    walk(ws, tmp_path / "project", ["slurm", *settings, "--workspace-url", "auto"])
    slurm.restore()


def test_a_run_that_waits_says_why_in_slurms_words(
    lab: Workspace, folder: Path, slurm: Cluster
) -> None:
    (folder.parent / "enough").touch()
    config = NotebookRunConfig(folder, "nb.ipynb", compute_target=TARGET)
    snapshot = lab.experiment("e").submit(config).info().snapshot_id
    assert snapshot is not None
    body = SubmitRun(
        CommandJob(["true"]), snapshot, compute_target=TARGET, resources=Resources(cores=64)
    )
    run = Run(lab, lab.connection.jobs.submit("e", body))
    eventually(lambda: "PENDING (PartitionConfig)" in run.info().reason, 60)
    assert run.get_status() is RunState.QUEUED
    run.cancel()
    eventually(lambda: run.get_status() is RunState.CANCELED)
    eventually(lambda: not slurm.ask("squeue", "--noheader"), what="its job is gone")


def test_a_runner_that_never_begins_is_explained_by_what_its_job_printed(
    lab: Workspace, folder: Path
) -> None:
    config = NotebookRunConfig(folder, "nb.ipynb", compute_target=TARGET, python="/nowhere/python")
    run = lab.experiment("e").submit(config)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
    assert info.state is RunState.FAILED
    assert "FAILED (NonZeroExitCode)" in info.reason
    assert "/nowhere/python: No such file or directory" in info.reason


def test_what_is_missing_is_said_when_a_cluster_is_attached(ws: Workspace, slurm: Cluster) -> None:
    settings = {"config": str(slurm.conf), "partition": "nowhere"}
    with pytest.raises(Unavailable, match="no partition 'nowhere'"):
        ws.connection.computes.attach(AttachCompute("other", "slurm", settings))
    settings["partition"] = "main"
    made = ws.connection.computes.attach(AttachCompute("other", "slurm", settings))
    assert (made.state, made.problems) == ("Running", [])
    assert len(ws.connection.computes.list_nodes("other").items) == len(slurm.nodes)
    ws.connection.computes.detach("other")
