"""Whether it was the memory limit that ended a run's work."""

from dataclasses import replace

from ml_workspace_lab.compute.memory import own_group
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.runner.outcome import Outcome


class Memory:
    """The control group that this process is in from now on, whoever made it: this machine's
    driver, Slurm, Kubernetes."""

    def __init__(self) -> None:
        self._kills = self._count()

    def explained(self, outcome: Outcome) -> Outcome:
        """A failure with the memory that was in use and its limit, where the kernel has killed one
        of the group's processes for it."""
        use = own_group().use()
        if outcome.state is not RunState.FAILED or use is None or use.kills <= self._kills:
            return outcome
        return replace(outcome, reason=f"{outcome.reason.removesuffix('.')}: {use}.", cause="oom")

    @staticmethod
    def _count() -> int:
        use = own_group().use()
        return use.kills if use else 0
