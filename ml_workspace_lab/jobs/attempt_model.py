"""An attempt at a run: what its runner and its workspace say to each other about it."""

from typing import Annotated

from msgspec import Meta, Struct

from ml_workspace_lab.api.types import Key, Millis, Text
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.jobs.model import SubmitRun
from ml_workspace_lab.snapshots.model import SnapshotInfo
from ml_workspace_lab.workspace.model import WorkspaceInfo

PROTOCOL = 2
"""Raised by every change of what runners and workspaces say to each other."""

AttemptNumber = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class ClaimAttempt(Struct, frozen=True):
    """Who wants to make an attempt: a runner's own `nonce`, by which its second try is known, its
    protocol and release, how its engine knows it."""

    nonce: Key
    protocol: int
    version: Key
    native_id: Text = ""
    host: Text = ""


class Claim(Struct, frozen=True):
    """An attempt for the process that asked: a token for it alone, and all that it has to do."""

    token: str
    version: str
    run: RunInfo
    workspace: WorkspaceInfo
    submission: SubmitRun
    snapshot: SnapshotInfo


class EventMark(Struct, frozen=True):
    """The number of the last event that the workspace has; whether the run is to be ended."""

    number: int
    cancel_requested: bool = False


class AttemptInfo(Struct, frozen=True):
    """One attempt at a run. `state` and what follows are the runner's own report of its end, None
    where it gave none; `peak_rss` is in bytes."""

    attempt: int
    native_id: str
    host: str
    version: str
    claimed: Millis
    reported: Millis | None
    state: str | None
    reason: str
    exit_code: int | None
    signal: int | None
    peak_rss: int | None
    oom_kills: int | None
    dropped_lines: int
    dropped_bytes: int


class AttemptList(Struct, frozen=True):
    items: list[AttemptInfo]
