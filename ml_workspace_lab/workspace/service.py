"""The workspace itself: what it is, whether it is well, and what happens in it."""

from pathlib import Path

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Offset
from ml_workspace_lab.storage import journal_reader
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace import store
from ml_workspace_lab.workspace.model import Diagnosis, EventBatch, LiveRun, WorkspaceInfo

EVENTS_AT_ONCE = 1000


class Workspaces(Service):
    """The one workspace that this storage holds."""

    @operation("GET", "/workspace", action="workspaces/read")
    def get(self) -> WorkspaceInfo:
        return store.info(self.storage)

    @operation("GET", "/workspace/diagnosis", action="workspaces/read")
    def diagnose(self) -> Diagnosis:
        """Check the database, the folder, the disk and the background process, with what to do."""
        from ml_workspace_lab.workspace import diagnose

        return Diagnosis(diagnose.findings(self.storage))


class Events(Service):
    """Every change of state, in order."""

    @operation("GET", "/events", action="events/read", streams_events=True)
    def list(self, after: Offset | None = None) -> EventBatch:
        """Events after the id `after` (None: from now on), and how much active runs have written.

        With `Accept: text/event-stream` the answer is a stream of such batches.
        """
        if after is None:
            after = store.last_event(self.storage)
        events = store.events(self.storage, after, EVENTS_AT_ONCE)
        live = [_live(run_id, self.storage) for run_id in store.active_runs(self.storage)]
        return EventBatch(events, live, events[-1].id if events else after)


def _live(run_id: str, storage: Storage) -> LiveRun:
    if not storage.has_files(run_id):  # as most of those that clients never end
        return LiveRun(run_id, 0, 0, 0)
    folder = storage.run(run_id)
    return LiveRun(
        run_id=run_id,
        metric_bytes=journal_reader.size(folder.metrics),
        log_bytes=_stat(folder.log)[0],
        notebook_time=_stat(folder.notebook)[1],
    )


def _stat(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in ms; zeros where there is no such file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns // 1_000_000
