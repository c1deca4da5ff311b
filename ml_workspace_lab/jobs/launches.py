"""How the runner of an attempt is started: the same program on every target."""

import sys
from pathlib import Path

from ml_workspace_lab.compute.driver import Launch, Prewarmed
from ml_workspace_lab.jobs.model import NotebookJob, SubmitRun
from ml_workspace_lab.jobs.store import QueuedJob

GRACE_SECONDS = 15.0
"""From the request to end a run until its processes are ended by force."""


def launch_of(root: Path, job: QueuedJob) -> Launch:
    """The present attempt at a job of the workspace in `root`."""
    submission = job.submission
    runner = [submission.python or sys.executable, "-m", "ml_workspace_lab.jobs.runner"]
    return Launch(
        run_id=job.run_id,
        attempt=job.attempt,
        argv=[*runner, str(root), job.run_id, str(job.attempt)],
        environment={},
        resources=submission.resources,
        walltime_s=submission.timeout_seconds,
        grace_s=GRACE_SECONDS,
        labels={"user": job.owner},
        prewarmed=_prewarmed(submission),
    )


def _prewarmed(submission: SubmitRun) -> Prewarmed:
    if submission.cold:
        return ""
    return "kernel" if isinstance(submission.job, NotebookJob) else "runner"
