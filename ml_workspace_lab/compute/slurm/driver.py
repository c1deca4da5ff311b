"""A Slurm cluster as a compute target: each attempt at a run is a batch job."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from msgspec import Struct

from ml_workspace_lab.compute.driver import (
    LOG_TAIL,
    Capability,
    Handle,
    Launch,
    Phase,
    Probe,
    Refused,
    Unreachable,
    native_name,
)
from ml_workspace_lab.compute.model import Capacity, Node, Problem
from ml_workspace_lab.compute.recent import Recent
from ml_workspace_lab.compute.slurm import check, nodes, scaling, trial
from ml_workspace_lab.compute.slurm.commands import Commands, Failed
from ml_workspace_lab.compute.slurm.queue import Queue
from ml_workspace_lab.compute.slurm.script import options, script
from ml_workspace_lab.compute.slurm.settings import SlurmSettings
from ml_workspace_lab.compute.slurm.states import Job


class SlurmDriver:
    """Knows its jobs by their names, `ws-RUN-aN`, and by the numbers that Slurm gave them."""

    settings_type: ClassVar[type[Struct]] = SlurmSettings

    def __init__(self, target: str, settings: SlurmSettings, root: Path) -> None:
        self._target = target
        self._settings = settings
        self.root = root
        self._commands = Commands(settings)
        self._queue = Queue(self._commands, settings.poll_seconds)
        self._nodes = Recent(self._ask_for_nodes, settings.poll_seconds)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What Slurm always has and, after a check, what this cluster is configured to do."""
        found: set[Capability] = {"walltime", "gpu", "multi_node"}
        if self._settings.shared_folder:
            found.add("shared_fs")
        if self._output_folder is not None:
            found.add("engine_logs")
        configured = self._queue.known_configuration
        if (
            "cgroup" in configured.get("TaskPlugin", "")
            and configured.get("ConstrainRAMSpace") == "yes"
        ):
            found.add("memory_limit")
        if scaling.is_on(configured):
            found.add("scaling")
        return frozenset(found)

    def submit(self, launch: Launch) -> Handle:
        # What was submitted before the queue was last seen is in it; what this driver submitted
        # since is added to it; and where an answer was lost it is asked for again.
        known = self._queue.named(launch.name)
        if known is not None:
            return self._handle(known, launch.run_id, launch.attempt)
        output = self._output(launch.run_id, launch.attempt)
        if output is not None:
            output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = options(launch, self._settings, str(output or os.devnull))
        try:
            answer = self._commands.run("sbatch", *words, given=script(launch, self._settings))
        except Failed as error:
            raise Refused(str(error)) from None
        except Unreachable:
            self._queue.outdate()
            raise
        number = answer.strip().partition(";")[0]  # NUMBER[;CLUSTER]
        job = Job(number, launch.name, "PENDING")
        self._queue.add(job)
        return self._handle(job, launch.run_id, launch.attempt)

    def find(self, run_id: str, attempt: int) -> Handle | None:
        job = self._queue.named(native_name(run_id, attempt), fresh=True)
        return self._handle(job, run_id, attempt) if job else None

    def probe(self, handles: Sequence[Handle]) -> dict[Handle, Probe]:
        try:
            jobs = self._queue.jobs()
            gone = [handle.native_id for handle in handles if handle.native_id not in jobs]
            if gone:
                jobs = self._queue.accounted(gone) | jobs
        except Unreachable as error:
            return dict.fromkeys(handles, Probe(Phase.UNREACHABLE, reason=str(error)))
        return {handle: _probe(jobs.get(handle.native_id), handle) for handle in handles}

    def cancel(self, handle: Handle, *, grace_s: float, force: bool = False) -> None:  # noqa: ARG002
        """Slurm's own grace (KillWait) is not asked for: the caller's is."""
        job = self._queue.jobs(fresh=True).get(handle.native_id)
        if _probe(job, handle).is_over:
            return
        assert job is not None
        if job.phase is Phase.PENDING:
            self._scancel(job.id)
        elif not force:
            # To the runner alone, which ends what it has started. The state is said since scancel
            # would otherwise try for a minute to signal a job that is not there yet.
            self._scancel("--batch", "--signal=TERM", "--state=RUNNING", job.id)
        else:
            self._scancel("--full", "--signal=KILL", "--state=RUNNING", job.id)
            self._scancel(job.id)

    def sweep(self, handle: Handle) -> None:
        """Also a second job of that name, and one that Slurm has put back into its queue."""
        self._scancel(
            f"--user={os.getuid()}", f"--name={native_name(handle.run_id, handle.attempt)}"
        )

    def engine_log(self, handle: Handle, tail_bytes: int = LOG_TAIL) -> bytes:
        output = self._output(handle.run_id, handle.attempt)
        with suppress(FileNotFoundError):
            if output is not None:
                with output.open("rb") as log:
                    log.seek(max(0, log.seek(0, os.SEEK_END) - tail_bytes))
                    return log.read()
        return b""

    def check(self) -> list[Problem]:
        found = check.here(self._commands, self._settings)
        if found:
            return found
        self._queue.configuration()
        return trial.on_a_node(self._commands, self._queue, self._settings, self.root)

    def capacity(self) -> Capacity:
        """Slurm has a queue of its own, and is given every run at once."""
        found = self._nodes.get()
        return Capacity(None, found, scaling.of_configuration(self._queue.configuration(), found))

    def _ask_for_nodes(self) -> list[Node]:
        words = ["--noheader", "--Node", f"--Format={nodes.FORMAT}"]
        if self._settings.partition:
            words.append(f"--partition={self._settings.partition}")
        return nodes.of_nodes(self._commands.ask("sinfo", *words))

    def _handle(self, job: Job, run_id: str, attempt: int) -> Handle:
        return Handle(self._target, job.id, run_id, attempt)

    @property
    def _output_folder(self) -> Path | None:
        """Where jobs print to, as far as this machine and the nodes share a folder."""
        if self._settings.logs is not None:
            return Path(self._settings.logs)
        return self.root / "runs" if self._settings.shared_folder else None

    def _output(self, run_id: str, attempt: int) -> Path | None:
        folder = self._output_folder
        return folder / run_id / f"slurm-a{attempt}.out" if folder else None

    def _scancel(self, *words: str) -> None:
        """What is gone already is fine."""
        self._queue.outdate()
        with suppress(Failed):
            self._commands.run("scancel", *words)


def _probe(job: Job | None, handle: Handle) -> Probe:
    """Evidence about an attempt. A job of another name is none: a controller that has lost its
    state begins to count anew."""
    if job is None or job.name != native_name(handle.run_id, handle.attempt):
        return Probe(Phase.ABSENT, reason=f"Slurm has no record of job {handle.native_id}")
    return job.probe
