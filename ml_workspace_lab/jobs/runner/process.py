"""Scripts and commands: a child process whose output is the log."""

import os
import signal
import subprocess
import sys

from ml_workspace_lab import processes
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import CommandJob, ScriptJob
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.jobs.runner.outcome import Outcome, of_exit
from ml_workspace_lab.jobs.runner.output_pipe import OutputPipe
from ml_workspace_lab.jobs.runner.shown import progress_shown
from ml_workspace_lab.jobs.runner.standstill import told_of

GRACE_SECONDS = 5.0


def run_process(link: Link, job: ScriptJob | CommandJob, words: list[str]) -> Outcome:
    """Run to its end; the end is the exit code's word. `words` are the script's arguments, or the
    command."""
    interpreter = [sys.executable, "-u", job.script] if isinstance(job, ScriptJob) else []
    arguments = [*interpreter, *words]
    link.move(RunState.RUNNING)
    with progress_shown(link) as write, OutputPipe(write, link.kept_output()) as pipe:
        try:
            # A group of its own: a cancel reaches what the program started too.
            child = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=pipe.entrance,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        except OSError as error:
            reason = f"{arguments[0]!r} could not be started: {error.strerror}."
            return Outcome(RunState.FAILED, reason)
        pipe.let_go()
        try:
            with told_of(link, child.pid):
                return of_exit("The program", child.wait())
        except BaseException:
            _end(child)
            raise
        finally:
            processes.end_descendants()  # They may hold the pipe open.


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
