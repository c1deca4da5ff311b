"""The jobs of a cluster that are this user's, and how the cluster is configured."""

import os
import time
from collections.abc import Iterable
from functools import cached_property

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.slurm import states
from ml_workspace_lab.compute.slurm.commands import Commands
from ml_workspace_lab.compute.slurm.states import Job


class Queue:
    """Asks for the whole queue at once, and not again within `seconds`, whatever came of it: a
    controller serves all users of a cluster."""

    def __init__(self, commands: Commands, seconds: float) -> None:
        self._commands = commands
        self._seconds = seconds
        self._asked: float | None = None
        self._known: dict[str, Job] | Unreachable = {}

    def jobs(self, *, fresh: bool = False) -> dict[str, Job]:
        """This user's jobs by their numbers: those that wait and run, and those that ended a short
        while ago (Slurm's MinJobAge). Raises Unreachable."""
        if fresh or self._asked is None or time.monotonic() - self._asked >= self._seconds:
            self._ask()
        if isinstance(self._known, Unreachable):
            raise Unreachable(str(self._known))
        return self._known

    def named(self, name: str, *, fresh: bool = False) -> Job | None:
        """The job of a name; where there are several, one that has not ended, the eldest first."""
        found = [job for job in self.jobs(fresh=fresh).values() if job.name == name]
        return min(found, key=lambda job: (job.state in states.ENDED, int(job.id)), default=None)

    def add(self, job: Job) -> None:
        """A job that was submitted since."""
        if not isinstance(self._known, Unreachable):
            self._known[job.id] = job

    def outdate(self) -> None:
        """Something was asked of Slurm that changes its answer."""
        self._asked = None

    def accounted(self, numbers: Iterable[str]) -> dict[str, Job]:
        """Jobs that have left the queue, where the cluster keeps accounts; else none."""
        if not self.keeps_accounts:
            return {}
        words = [f"--jobs={','.join(numbers)}", f"--format={states.ACCOUNTING_FORMAT}"]
        text = self._commands.ask("sacct", "--noheader", "--parsable2", "--allocations", *words)
        return {job.id: job for job in states.of_accounting(text)}

    @property
    def keeps_accounts(self) -> bool:
        return self.configuration.get("AccountingStorageType", "").endswith("/slurmdbd")

    @cached_property
    def configuration(self) -> dict[str, str]:
        """The lines of `scontrol show config`."""
        lines = self._commands.ask("scontrol", "show", "config").splitlines()
        pairs = (line.partition("=") for line in lines)
        return {name.strip(): value.strip() for name, mark, value in pairs if mark}

    def _ask(self) -> None:
        words = [f"--user={os.getuid()}", "--all", "--states=all", f"--Format={states.FORMAT}"]
        try:
            jobs = states.of_queue(self._commands.ask("squeue", "--noheader", *words))
            self._known = {job.id: job for job in jobs}
        except Unreachable as error:
            self._known = error
        self._asked = time.monotonic()
