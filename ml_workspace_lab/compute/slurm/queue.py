"""The jobs of a cluster that are this user's, and how the cluster is configured."""

import os
from collections.abc import Iterable
from contextlib import suppress

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.recent import Recent
from ml_workspace_lab.compute.slurm import states
from ml_workspace_lab.compute.slurm.commands import Commands
from ml_workspace_lab.compute.slurm.states import Job


class Queue:
    """Asks for the whole queue at once, at most every `seconds`."""

    def __init__(self, commands: Commands, seconds: float) -> None:
        self._commands = commands
        self._jobs = Recent(self._ask, seconds)
        self.known_configuration: dict[str, str] = {}
        """That of the cluster, empty as long as nobody has asked for it."""

    def jobs(self, *, fresh: bool = False) -> dict[str, Job]:
        """This user's jobs by their numbers: those that wait and run, and those that ended a short
        while ago (Slurm's MinJobAge). Raises Unreachable."""
        return self._jobs.get(fresh=fresh)

    def named(self, name: str, *, fresh: bool = False) -> Job | None:
        """The job of a name; where there are several, one that has not ended, the eldest first."""
        found = [job for job in self.jobs(fresh=fresh).values() if job.name == name]
        return min(found, key=lambda job: (job.state in states.ENDED, int(job.id)), default=None)

    def add(self, job: Job) -> None:
        """A job that was submitted since."""
        with suppress(Unreachable):  # then it is asked for anew
            self.jobs()[job.id] = job

    def outdate(self) -> None:
        """Something was asked of Slurm that changes its answer."""
        self._jobs.outdate()

    def accounted(self, numbers: Iterable[str]) -> dict[str, Job]:
        """Jobs that have left the queue, where the cluster keeps accounts; else none."""
        if not self.configuration().get("AccountingStorageType", "").endswith("/slurmdbd"):
            return {}
        words = [f"--jobs={','.join(numbers)}", f"--format={states.ACCOUNTING_FORMAT}"]
        text = self._commands.ask("sacct", "--noheader", "--parsable2", "--allocations", *words)
        return {job.id: job for job in states.of_accounting(text)}

    def configuration(self) -> dict[str, str]:
        """The lines of `scontrol show config`, asked for once. Raises Unreachable."""
        if not self.known_configuration:
            lines = self._commands.ask("scontrol", "show", "config").splitlines()
            pairs = (line.partition("=") for line in lines)
            self.known_configuration = {
                name.strip(): value.strip() for name, mark, value in pairs if mark
            }
        return self.known_configuration

    def _ask(self) -> dict[str, Job]:
        words = [f"--user={os.getuid()}", "--all", "--states=all", f"--Format={states.FORMAT}"]
        jobs = states.of_queue(self._commands.ask("squeue", "--noheader", *words))
        return {job.id: job for job in jobs}
