"""Sending what processes of this machine logged to a server before they died."""

from contextlib import suppress

from msgspec import Struct, field

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.errors import Conflict, NotFound
from ml_workspace_lab.experiments.model import EndRun
from ml_workspace_lab.experiments.runs import OWNER_GONE
from ml_workspace_lab.jobs.runner import leftovers
from ml_workspace_lab.jobs.runner.leftovers import SentAttempt
from ml_workspace_lab.storage import spool


class SyncedRun(Struct, frozen=True):
    """A run whose metrics were sent; `note` says where they could not be."""

    run_id: str
    records: int
    note: str = ""


class SyncReport(Struct, frozen=True):
    """`attempts` are jobs whose runners ended on this machine before all was told."""

    items: list[SyncedRun]
    attempts: list[SentAttempt] = field(default_factory=list)


def sync(connection: Connection, url: str) -> SyncReport:
    """Send what is left here for the workspace at `url`: what runners of jobs had to tell, and
    journals of interactive runs, which are closed as Failed. What can't be sent stays; a repeat is
    safe."""
    found = [left for left in spool.left() if left.url == url]
    return SyncReport(
        [_sync_one(connection, left) for left in found], leftovers.send(leftovers.of(url))
    )


def _sync_one(connection: Connection, left: spool.Left) -> SyncedRun:
    try:
        sent = spool.sweep(connection, left.run_id, left.folder)
    except (Conflict, NotFound) as refusal:
        return SyncedRun(left.run_id, 0, f"{refusal.message} It stays in {left.folder}.")
    spool.tidy(left.folder)
    with suppress(Conflict):  # It was ended before, by itself or by somebody else.
        connection.runs.end(left.run_id, EndRun("Failed", OWNER_GONE))
    return SyncedRun(left.run_id, sent)
