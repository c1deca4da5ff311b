"""How the runner of an attempt is started: the same program on every target."""

import sys

from ml_workspace_lab.compute.driver import Driver, Launch, Prewarmed
from ml_workspace_lab.compute.store import Target
from ml_workspace_lab.jobs import tickets
from ml_workspace_lab.jobs.address import AUTO, address
from ml_workspace_lab.jobs.model import NotebookJob, SubmitRun
from ml_workspace_lab.jobs.store import QueuedJob
from ml_workspace_lab.jobs.tickets import Ticket
from ml_workspace_lab.services import Services

GRACE_SECONDS = 15.0
"""From the request to end a run until its processes are ended by force."""


def launch_of(services: Services, target: Target, driver: Driver, job: QueuedJob) -> Launch:
    """The present attempt at a job, as its target starts it. Raises Unavailable where the target is
    to be told an address, and nobody listens there yet."""
    submission = job.submission
    arguments, environment = _way(services, target, driver, job)
    # An environment that is still to be built is entered by a runner of this interpreter.
    ready = submission.environment and services.environments.interpreter(job.run_id)
    runner = [ready or submission.python or sys.executable, "-m", "ml_workspace_lab.jobs.runner"]
    return Launch(
        run_id=job.run_id,
        attempt=job.attempt,
        argv=[*runner, *arguments],
        environment=environment,
        resources=submission.resources,
        walltime_s=submission.timeout_seconds,
        grace_s=GRACE_SECONDS,
        labels={"user": job.owner},
        prewarmed=_prewarmed(submission) if ready or not submission.environment else "",
    )


def url_for(workspace_url: str | None, driver: Driver) -> str | None:
    """The address that a target's machines are told, or `auto`; None where they use the folder."""
    if workspace_url is None and "shared_fs" not in driver.capabilities:
        return AUTO
    return workspace_url


def _prewarmed(submission: SubmitRun) -> Prewarmed:
    if submission.cold:
        return ""
    return "kernel" if isinstance(submission.job, NotebookJob) else "runner"


def _way(
    services: Services, target: Target, driver: Driver, job: QueuedJob
) -> tuple[list[str], dict[str, str]]:
    """The runner's way to the workspace: arguments and variables."""
    root = services.storage.root
    wanted = url_for(target.workspace_url, driver)
    if wanted is None:
        return [str(root), job.run_id, str(job.attempt)], {}
    url = address(root, wanted)
    token = services.tokens.create_ticket(job.run_id, job.attempt)
    ticket = Ticket(url, job.run_id, job.attempt, token)
    told = [job.run_id, str(job.attempt)]  # for people who look at the processes of a node
    if "shared_fs" not in driver.capabilities:
        return told, {tickets.INLINE: ticket.encode().decode()}
    path = services.storage.run(job.run_id).path / f"ticket-{job.attempt}.json"
    ticket.write(path)
    return told, {tickets.VARIABLE: str(path)}
