"""Scripts and commands: a child process whose output is the log."""

import os
import signal
import subprocess
import sys

from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import CommandJob, ScriptJob
from ml_workspace_lab.jobs.runner.outcome import COMPLETED, Outcome
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.storage import RunFolder

GRACE_SECONDS = 5.0


def run_process(
    services: Services, run_id: str, job: ScriptJob | CommandJob, files: RunFolder
) -> Outcome:
    """Run to its end; the end is the exit code's word."""
    if isinstance(job, ScriptJob):
        arguments = [sys.executable, "-u", job.script, *job.arguments]
    else:
        arguments = job.command
    services.runs.move(run_id, RunState.RUNNING)
    with files.log.open("ab") as log:
        try:
            # A group of its own: a cancel reaches what the program started too.
            child = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        except OSError as error:
            reason = f"{arguments[0]!r} could not be started: {error.strerror}."
            return Outcome(RunState.FAILED, reason)
    try:
        return _outcome(child.wait())
    except BaseException:
        _end(child)
        raise


def _outcome(code: int) -> Outcome:
    if code == 0:
        return COMPLETED
    if code < 0:
        how = f"was killed by signal {-code} ({signal.Signals(-code).name})"
    else:
        how = f"ended with exit code {code}"
    return Outcome(RunState.FAILED, f"The program {how}.")


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Ask the whole group to end, then end it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return
