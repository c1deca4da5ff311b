"""Whether it was the memory limit that ended a run's work."""

import resource
import signal
from collections.abc import Iterator
from dataclasses import replace

from ml_workspace_lab.compute.memory import MemoryUse, own_group
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.runner.memory_watch import MemoryWatch
from ml_workspace_lab.jobs.runner.outcome import Outcome

KIBIBYTE = 1024
MEBIBYTE = 1024 * 1024


class Memory:
    """The control group that this process is in from now on, whoever made it: this machine's
    driver, Slurm, Kubernetes. Where it has no such limit as the run asked for, that is watched."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._watch: MemoryWatch | None = None
        use = own_group().use()
        self._before = use.kills if use else 0
        # Engines round a limit up to whole MiB. Also where it is watched, the kernel may be first:
        # the group that has the limit can be one above this.
        kept = use.limit if use else None
        if limit is not None and (kept is None or kept >= limit + MEBIBYTE):
            self._watch = MemoryWatch(limit)

    def explained(self, outcome: Outcome) -> Outcome:
        """A failure with the memory that was in use and its limit, where the kernel has killed one
        of the group's processes for it."""
        use = next((use for use in self._uses() if use.kills), None)
        if outcome.state is not RunState.FAILED or use is None:
            return outcome
        return replace(outcome, reason=f"{outcome.reason.removesuffix('.')}: {use}.", cause="oom")

    def measured(self, outcome: Outcome) -> Outcome:
        """The same with the most memory that one of the work's processes had (those that have
        ended), and how many of the group the kernel has killed for want of it."""
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * KIBIBYTE
        reason = outcome.reason
        if outcome.signal == signal.SIGKILL and outcome.cause != "oom":
            reason = (
                f"{reason.removesuffix('.')}; its largest process had {peak / MEBIBYTE:.0f} MiB."
            )
        kills = sum(use.kills for use in self._uses())
        return replace(outcome, reason=reason, peak_rss=peak, oom_kills=kills)

    def _uses(self) -> Iterator[MemoryUse]:
        """What was used and how often something was killed for it since the beginning: by the
        watch, by the kernel."""
        if self._watch is not None:
            yield self._watch.use
        use = own_group().use()
        if use is not None:
            kills = use.kills - self._before
            yield replace(use, kills=kills, limit=use.limit or self._limit)
