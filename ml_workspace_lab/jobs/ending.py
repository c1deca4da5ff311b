"""How an attempt ended, and whether another one follows."""

from msgspec import Struct

from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import Cause, Retry


class AttemptEnd(Struct, frozen=True):
    """The end of one attempt at a run, with the reason that users read; `cause` is that of a
    failure."""

    state: RunState
    reason: str = ""
    cause: Cause = "failed"


PREEMPTED = AttemptEnd(
    RunState.FAILED, "Its target asked it to end (preempted, or shut down).", "lost"
)
"""The end of a runner that was told to end, and not by a user of the workspace."""


def pause_before_next(retry: Retry, attempt: int, end: AttemptEnd) -> float | None:
    """Seconds until the next attempt may begin; None where there is to be none."""
    if end.state is not RunState.FAILED or attempt >= retry.max_attempts:
        return None
    if end.cause not in retry.on:
        return None
    return backoff_seconds(retry, attempt)


def backoff_seconds(retry: Retry, attempt: int) -> float:
    """How long the pause after this attempt is."""
    return min(retry.backoff_seconds * retry.factor ** (attempt - 1), retry.max_backoff_seconds)
