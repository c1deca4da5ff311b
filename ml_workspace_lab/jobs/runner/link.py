"""How a runner and its workspace talk: everything that the one wants of the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ml_workspace_lab.experiments.model import MetricPoint, Progress, RunState
from ml_workspace_lab.jobs.model import SubmitRun
from ml_workspace_lab.jobs.runner.kept_output import KeptOutput
from ml_workspace_lab.jobs.runner.outcome import Outcome
from ml_workspace_lab.storage.storage import RunFolder


class NotOurs(Exception):
    """The attempt is not this process's to do: another one has it, or nobody wants it any more."""


class Link(Protocol):
    """The way of one claimed attempt to its workspace.

    What is given to it is kept, also where the workspace can't be reached for a while; a full disk
    costs lines of the log at most, and they are counted. Only `materialise` and `finish` wait.
    """

    run_id: str
    attempt: int
    submission: SubmitRun
    files: RunFolder
    """Where this machine keeps what the run writes."""

    def materialise(self) -> None:
        """Lay the snapshot out in the working folder."""
        ...

    def stage(self) -> Mapping[str, str]:
        """Lay out what the run is given beside its snapshot; the path of each input by name."""
        ...

    def environment(self) -> Mapping[str, str]:
        """What the run's code needs to find its workspace and its run."""
        ...

    def enter_environment(self) -> None:
        """Come back in the environment that the run is to run in, where one was named: built where
        it has to be, and this process replaced where it is of another interpreter. Raises what
        says why it can't be had."""
        ...

    def record_environment(self) -> None:
        """Note what this process runs in. Never a reason to fail."""
        ...

    def move(self, state: RunState, reason: str = "") -> None:
        """Bring the run to a state on its way; nothing where it can't follow."""
        ...

    def report_progress(self, progress: Progress) -> None: ...

    def log_metrics(self, points: Sequence[MetricPoint]) -> None:
        """Log values of metrics. Raises a WorkspaceError where that can't be done now."""
        ...

    def write_log(self, content: bytes) -> None:
        """Add to the run's log. Never raises: what has no room is counted, and said there."""
        ...

    def kept_output(self) -> KeptOutput:
        """What keeps a program's output on its way to the log where this process is killed."""
        ...

    def save_notebook(self, content: bytes, *, durable: bool = False) -> None:
        """Show the output notebook as it is now. Raises StorageFull."""
        ...

    def keep(self, name: str, file: Path) -> None:
        """Keep a file as an artifact of the run; it is still there when `settle` returns."""
        ...

    def settle(self) -> list[str]:
        """Wait until what was to be kept is; what could not be, with the reasons."""
        ...

    def finish(self, outcome: Outcome) -> None:
        """Write the end down."""
        ...

    def close(self) -> None:
        """Let go of the attempt."""
        ...
