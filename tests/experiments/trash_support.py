"""Runs to be thrown away, and what they take."""

from io import BytesIO

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.experiments.trash import Purge, PurgeResult
from ml_workspace_lab.storage.storage import Storage

NOW = Purge(older_than_days=0)


def storage(ws: Workspace) -> Storage:
    assert isinstance(ws.connection, LocalConnection)
    return ws.connection.storage


def made(ws: Workspace, experiment: str, **files: bytes) -> Run:
    """A run that has ended, with these artifacts."""
    with ws.experiment(experiment).start_logging() as run:
        run.log("m", 1.0)
        for name, content in files.items():
            put(ws, run.id, name, content)
    return run


def put(ws: Workspace, run_id: str, name: str, content: bytes) -> None:
    ws.connection.artifacts.put(run_id, name, BytesIO(content))


def purge(ws: Workspace, **what: list[str]) -> PurgeResult:
    result: PurgeResult = ws.connection.trash.purge(Purge(**what) if what else NOW)
    return result


def used(ws: Workspace) -> int:
    """Bytes of the disk that contents and folders of runs take."""
    root = storage(ws).root
    files = [f for name in ("blobs", "runs") for f in (root / name).rglob("*") if f.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files)


def names(ws: Workspace, experiment: str) -> set[str]:
    return {run.id for run in ws.runs(experiment, limit=None)}
