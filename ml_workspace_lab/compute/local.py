"""The compute target `local`: runner processes on this machine."""

import os
import sys
from pathlib import Path

from ml_workspace_lab import processes
from ml_workspace_lab.compute.model import Handle, Probe
from ml_workspace_lab.compute.service import slots
from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.storage.files import is_held
from ml_workspace_lab.storage.storage import Storage

MARK = "ML_WORKSPACE_RUN"
"""In the environment of every process of an attempt: how its descendants are found."""


class LocalDriver:
    """Starts one runner process for each attempt. The lock that it holds says that it lives."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.slots = slots()

    def submit(self, run_id: str, attempt: int, python: str | None = None) -> Handle:
        folder = self._storage.run(run_id)
        folder.create()
        interpreter = python or sys.executable
        native = processes.start(
            [
                interpreter,
                "-m",
                "ml_workspace_lab.jobs.runner",
                str(self._storage.root),
                run_id,
                str(attempt),
            ],
            environment=_environment(interpreter, run_id, attempt),
            folder=folder.path,
            log=folder.path / "runner.log",
        )
        return Handle(run_id, attempt, native)

    def find(self, run_id: str, attempt: int) -> Handle | None:
        """An attempt that was started by a process which died before it could say so."""
        found = processes.marked(MARK, _mark(run_id, attempt))
        if not found:
            return None
        eldest = min(found, key=lambda process: process.create_time())
        return Handle(run_id, attempt, processes.native_id(eldest.pid))

    def poll(self, run_id: str, native_id: str) -> Probe:
        if is_held(self._storage.run(run_id).lock) or processes.find(native_id) is not None:
            return Probe(alive=True)
        return Probe(alive=False, reason=processes.ending(native_id))

    def cancel(self, native_id: str, *, force: bool) -> None:
        processes.end(native_id, force=force)

    def sweep(self, run_id: str, attempt: int) -> int:
        return processes.end_marked(MARK, _mark(run_id, attempt))


def _mark(run_id: str, attempt: int) -> str:
    return f"{run_id}/{attempt}"


def _environment(python: str, run_id: str, attempt: int) -> dict[str, str]:
    environment = clean_environment()
    environment[MARK] = _mark(run_id, attempt)
    # What the run calls by name (pip, a tool of the environment) is its interpreter's neighbour.
    folder = str(Path(python).parent)
    environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", os.defpath)])
    return environment
