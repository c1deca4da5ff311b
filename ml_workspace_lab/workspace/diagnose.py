"""Is the workspace well? One finding for each part, with what to do where it isn't."""

import shutil

from ml_workspace_lab.compute.wake import is_running
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace.model import Finding

LOW_SPACE = 1024**3
SHOWN = 3
"""Findings about a damaged database that are told."""


def findings(storage: Storage) -> list[Finding]:
    return [_database(storage), _folder(storage), _space(storage), _agent(storage)]


def _database(storage: Storage) -> Finding:
    try:
        where = storage.database.describe()
        found = storage.database.findings()
    except WorkspaceError as error:
        return Finding("database", "Error", error.message, error.hint or "")
    if found:
        return Finding(
            "database",
            "Error",
            f"{where}. It is damaged: {'; '.join(found[:SHOWN])}.",
            "Restore a backup, or run `ml-workspace recover FOLDER` to save what can be read.",
        )
    return Finding("database", "Information", f"{where}. It is whole.")


def _folder(storage: Storage) -> Finding:
    probe = storage.root / "tmp" / "probe"
    try:
        probe.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(probe, b"ok", durable=True)
        probe.unlink()
    except (OSError, WorkspaceError) as error:
        return Finding(
            "folder", "Error", f"The folder can't be written to: {error}.", "Check its rights."
        )
    return Finding("folder", "Information", f"{storage.root} takes files.")


def _space(storage: Storage) -> Finding:
    usage = shutil.disk_usage(storage.root)
    text = f"{usage.free / 1024**3:.1f} of {usage.total / 1024**3:.1f} GiB are free."
    if usage.free < LOW_SPACE:
        return Finding("disk", "Warning", text, "Free some space: runs stop when it is full.")
    return Finding("disk", "Information", text)


def _agent(storage: Storage) -> Finding:
    if is_running(storage.root):
        return Finding("agent", "Information", "The background process is running.")
    return Finding(
        "agent", "Information", "The background process rests; it starts when there is work."
    )
