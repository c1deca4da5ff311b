"""The life of one attempt: prepare, do the work, gather what it made, report the end."""

import os
import shutil
import traceback

from ml_workspace_lab import prctl, processes
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import NotebookJob
from ml_workspace_lab.jobs.placeholders import filled
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.jobs.runner.memory import Memory
from ml_workspace_lab.jobs.runner.outcome import COMPLETED, CutShort, Limits, Outcome
from ml_workspace_lab.jobs.runner.watch import watched
from ml_workspace_lab.jobs.runner.workdir import collect
from ml_workspace_lab.jobs.staging import output_places, variables


def live(link: Link) -> None:
    """Do the work of a claimed attempt, from its beginning to its reported end."""
    prctl.adopt_orphans()
    memory = Memory(link.submission.resources.memory_bytes)
    limits = Limits(link.submission.timeout_seconds)
    try:
        with Limits(None).enforced():
            link.enter_environment()  # no part of the time that the run may take
        with limits.enforced():
            link.record_environment()
            outcome = _work(link, limits)
    except CutShort as cut:
        outcome = cut.outcome
    except WorkspaceError as error:
        outcome = Outcome(RunState.FAILED, str(error))
    processes.end_descendants()
    outcome = _gather(link, memory.explained(outcome))
    link.finish(memory.measured(outcome))
    link.close()


def _work(link: Link, limits: Limits) -> Outcome:
    """Prepare and do the work; whatever goes wrong is the outcome, never an exception."""
    job = link.submission.job
    try:
        link.materialise()
        inputs = dict(link.stage())
        outputs = output_places(link.submission, link.files.work)
        _set_environment(link)
        os.environ.update(variables(inputs, outputs))
        os.chdir(link.files.work)
        with watched(link):
            if isinstance(job, NotebookJob):
                from ml_workspace_lab.jobs.runner.notebook import run_notebook

                return run_notebook(link, job, limits)
            from ml_workspace_lab.jobs.runner.process import run_process

            return run_process(link, job, filled(job, inputs, outputs))
    except WorkspaceError as error:
        return Outcome(RunState.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - the run must end, and say why
        traceback.print_exc()
        return Outcome(RunState.FAILED, f"The runner failed: {type(error).__name__}: {error}")


def _set_environment(link: Link) -> None:
    """What the run's code finds in its environment: itself, its workspace, its own variables."""
    submission = link.submission
    os.environ.update(submission.environment_variables)
    os.environ.update(link.environment())
    os.environ["ML_WORKSPACE_RUN_ID"] = os.environ["AZUREML_RUN_ID"] = link.run_id
    if isinstance(submission.job, NotebookJob):
        os.environ["ML_WORKSPACE_LAB_NOTEBOOK"] = str(link.files.work / submission.job.notebook)


def _gather(link: Link, outcome: Outcome) -> Outcome:
    """Keep the outputs. A run that completed but whose outputs can't be kept has failed."""
    try:
        if outcome == COMPLETED:
            link.move(RunState.FINALIZING)
        problems = collect(link)
    except (OSError, WorkspaceError) as error:
        problems = [str(error)]
    if outcome != COMPLETED:
        return outcome  # The working folder stays, to look into what went wrong.
    if not problems:
        # Kept elsewhere: the snapshot's files by their digests, what the run made as artifacts.
        os.chdir(link.files.path)
        shutil.rmtree(link.files.work, ignore_errors=True)
        return outcome
    return Outcome(RunState.FAILED, f"Outputs could not be kept: {'; '.join(problems)}")
