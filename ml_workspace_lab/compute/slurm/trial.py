"""A small job that tries what runs need on a node: the shared folder, Python, this package."""

import secrets
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ml_workspace_lab._version import __version__
from ml_workspace_lab.compute.driver import Launch, Phase
from ml_workspace_lab.compute.model import Problem, Resources
from ml_workspace_lab.compute.slurm.commands import Commands, Failed
from ml_workspace_lab.compute.slurm.queue import Queue
from ml_workspace_lab.compute.slurm.script import MEBIBYTE, options, preamble
from ml_workspace_lab.compute.slurm.settings import SlurmSettings
from ml_workspace_lab.compute.slurm.states import Job
from ml_workspace_lab.storage import engine, one_machine

PATIENCE_SECONDS = 30.0
INTERVAL_SECONDS = 0.5
NO_FOLDER, NO_PYTHON, NO_PACKAGE, FILE_OF_ANOTHER = 41, 42, 43, 44
ONLY_BUSY = ("PENDING", "PENDING (Priority)", "PENDING (Resources)")


def on_a_node(
    commands: Commands, queue: Queue, settings: SlurmSettings, root: Path
) -> list[Problem]:
    """What the job found missing. A cluster too busy to begin or end it in half a minute has no
    problem that is known. Raises Unreachable."""
    attempt = Launch(
        run_id=f"check-{secrets.token_hex(8)}",
        attempt=0,
        argv=[settings.python or sys.executable],
        environment={},
        resources=Resources(memory_bytes=256 * MEBIBYTE),
        walltime_s=PATIENCE_SECONDS,
        grace_s=0,
    )
    mark = root / f".{attempt.name}" if settings.shared_folder else None
    if mark:
        mark.touch()
    try:
        words = options(attempt, settings, "/dev/null")
        text = "\n".join([*_script(attempt.argv[0], settings, mark), ""])
        number = commands.run("sbatch", *words, given=text).strip().partition(";")[0]
        job = _wait(queue, number)
        commands.run("scancel", f"--name={attempt.name}")
    except Failed as error:
        return [Problem(f"Slurm does not take a job: {error}", "Look at this target's settings.")]
    finally:
        if mark:
            mark.unlink(missing_ok=True)
    return list(_judge(job, attempt.argv[0], root))


def _script(python: str, settings: SlurmSettings, mark: Path | None) -> Iterator[str]:
    yield from preamble(python, settings)
    if mark:
        yield f"[ -w {shlex.quote(str(mark))} ] || exit {NO_FOLDER}"
        if (mark.parent / engine.FILE).exists():
            same = f'"$(cat {one_machine.BOOT_ID})" = {shlex.quote(one_machine.boot_id())}'
            yield f"[ {same} ] || exit {FILE_OF_ANOTHER}"
    yield f"[ -x {shlex.quote(python)} ] || exit {NO_PYTHON}"
    code = f"import sys, ml_workspace_lab as m; sys.exit(m.__version__ != {__version__!r})"
    yield f"{shlex.join([python, '-c', code])} || exit {NO_PACKAGE}"


def _wait(queue: Queue, number: str) -> Job | None:
    until = time.monotonic() + PATIENCE_SECONDS
    while (job := queue.jobs(fresh=True).get(number)) is None or job.phase is not Phase.ENDED:
        if time.monotonic() > until:
            break
        time.sleep(INTERVAL_SECONDS)
    return job


def _judge(job: Job | None, python: str, root: Path) -> Iterator[Problem]:
    if job is None or job.state == "COMPLETED" or job.phase is Phase.RUNNING:
        return
    if job.exit_code == NO_FOLDER:
        yield Problem(
            f"The workspace's folder {root} can't be written on node {job.nodes}.",
            "Keep the workspace on a file system that all nodes have under the same path, or set"
            " `shared_folder` to false.",
        )
    elif job.exit_code == FILE_OF_ANOTHER:
        yield Problem(
            f"The workspace keeps its records in a SQLite file, which is for one machine: node"
            f" {job.nodes} can't use it.",
            "Set `shared_folder` to false and give a `workspace_url` (`auto` starts a server), or"
            " keep the records in PostgreSQL.",
        )
    elif job.exit_code == NO_PYTHON:
        yield Problem(
            f"There is no Python interpreter {python} on node {job.nodes}.",
            "Install the environment on the shared file system, or set `python`.",
        )
    elif job.exit_code == NO_PACKAGE:
        yield Problem(
            f"{python} on node {job.nodes} does not have ml_workspace_lab {__version__}.",
            f"Install it there: {python} -m pip install ml_workspace_lab=={__version__}",
        )
    elif job.probe.reason not in ONLY_BUSY:
        yield Problem(
            f"A small job did not go through: {job.probe.reason}.",
            "Look at this target's settings, and at the job with `scontrol show job`.",
        )
