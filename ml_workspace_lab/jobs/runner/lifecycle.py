"""The life of one attempt: claim it, prepare, do the work, gather what it made, report the end."""

import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from ml_workspace_lab import processes
from ml_workspace_lab.compute.wake import poke
from ml_workspace_lab.errors import Conflict, StorageFull, Unavailable, WorkspaceError
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.model import NotebookJob
from ml_workspace_lab.jobs.runner.outcome import COMPLETED, CutShort, Limits, Outcome
from ml_workspace_lab.jobs.runner.workdir import collect, materialise
from ml_workspace_lab.jobs.store import QueuedJob
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import FileLock
from ml_workspace_lab.storage.storage import RunFolder
from ml_workspace_lab.workspace import folder

TAKEN = 75
REPORT_PATIENCE = 120.0


def run(root: Path, run_id: str, attempt: int) -> int:
    """Do the work of the run; the exit code, 75 where the attempt isn't this process's to do."""
    storage = folder.open_(root)
    services = Services(storage)
    files = storage.run(run_id)
    lock = FileLock(files.lock)
    if not lock.acquire():
        return TAKEN
    job = store.find(storage.database, run_id)
    if job is None or job.attempt != attempt:
        return TAKEN
    processes.adopt_orphans()
    limits = Limits(job.submission.timeout_seconds)
    try:
        with limits.enforced():
            try:
                services.runs.move(run_id, RunState.PREPARING)
            except Conflict:
                return TAKEN  # Canceled, or another process's already.
            outcome = _work(services, job, files, limits)
    except CutShort as cut:
        outcome = cut.outcome
    processes.end_descendants()
    outcome = _gather(services, run_id, files, outcome)
    _report(lambda: services.runs.finish(run_id, outcome.state, outcome.reason))
    lock.release()
    poke(root)
    return 0


def _work(services: Services, job: QueuedJob, files: RunFolder, limits: Limits) -> Outcome:
    """Prepare and do the work; whatever goes wrong is the outcome, never an exception."""
    submission = job.submission
    try:
        snapshot = services.snapshots.get(submission.snapshot_id)
        materialise(services.storage.blobs, snapshot, files.work)
        _set_environment(services, job, files)
        os.chdir(files.work)
        if isinstance(submission.job, NotebookJob):
            from ml_workspace_lab.jobs.runner.notebook import run_notebook

            return run_notebook(services, job.run_id, submission.job, files, limits)
        from ml_workspace_lab.jobs.runner.process import run_process

        return run_process(services, job.run_id, submission.job, files)
    except WorkspaceError as error:
        return Outcome(RunState.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - the run must end, and say why
        traceback.print_exc()
        return Outcome(RunState.FAILED, f"The runner failed: {type(error).__name__}: {error}")


def _set_environment(services: Services, job: QueuedJob, files: RunFolder) -> None:
    """What the run's code finds in its environment: itself, its workspace, its own variables."""
    os.environ.update(job.submission.environment_variables)
    os.environ["ML_WORKSPACE"] = str(services.storage.root)
    os.environ["ML_WORKSPACE_RUN_ID"] = os.environ["AZUREML_RUN_ID"] = job.run_id
    if isinstance(job.submission.job, NotebookJob):
        os.environ["ML_WORKSPACE_LAB_NOTEBOOK"] = str(files.work / job.submission.job.notebook)


def _gather(services: Services, run_id: str, files: RunFolder, outcome: Outcome) -> Outcome:
    """Keep the outputs. A run that completed but whose outputs can't be kept has failed."""
    try:
        if outcome == COMPLETED:
            services.runs.move(run_id, RunState.FINALIZING)
        problems = collect(services.artifacts, run_id, files.work)
        if files.notebook.exists():
            with files.notebook.open("rb") as content:
                services.artifacts.put(run_id, "output.ipynb", content)
    except (OSError, WorkspaceError) as error:
        problems = [str(error)]
    if outcome != COMPLETED:
        return outcome  # The working folder stays, to look into what went wrong.
    if not problems:
        # Kept elsewhere: the snapshot's files by their digests, what the run made as artifacts.
        os.chdir(files.path)
        shutil.rmtree(files.work, ignore_errors=True)
        return outcome
    return Outcome(RunState.FAILED, f"Outputs could not be kept: {'; '.join(problems)}")


def _report(finish: Callable[[], None]) -> None:
    """Write the end down, waiting for a disk that is full or a database that is busy."""
    until = time.monotonic() + REPORT_PATIENCE
    while True:
        try:
            return finish()
        except Conflict:
            return None  # The dispatcher gave this attempt up.
        except (StorageFull, Unavailable) as error:
            if time.monotonic() > until:
                raise
            print(f"The end can't be written yet: {error}", file=sys.stderr, flush=True)  # noqa: T201
            time.sleep(1)
