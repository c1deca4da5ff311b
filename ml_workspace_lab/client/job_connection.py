"""A job's way to its workspace on another machine: its code goes on while nobody answers there."""

import os
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.api.remote import RemoteConnection
from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.storage import spool
from ml_workspace_lab.storage.journal import JournalWriter
from ml_workspace_lab.workspace.model import WorkspaceInfo

VARIABLE = "ML_WORKSPACE_CLAIM_FILE"
TIMEOUT = 20.0


class Known(msgspec.Struct, frozen=True):
    """What the workspace said when the run's attempt was claimed."""

    run: RunInfo
    workspace: WorkspaceInfo


class JobConnection(RemoteConnection):
    """Says what was known of the run and the workspace at its start while they can't be asked, and
    begins journals of metrics without asking."""

    def __init__(self, url: str, token: str, known: Known) -> None:
        super().__init__(url, token, TIMEOUT)
        self.run_id = known.run.run_id
        self._known = known

    def call(
        self,
        service: str,
        operation: Operation,
        arguments: msgspec.Struct,
        body: msgspec.Struct | None,
        content: BinaryIO | None,
    ) -> Any:
        try:
            return super().call(service, operation, arguments, body, content)
        except Unavailable:
            if (service, operation.name) == ("workspaces", "get"):
                return self._known.workspace
            about = getattr(arguments, "run_id", None)
            if (service, operation.name, about) == ("runs", "get", self.run_id):
                return self._known.run
            raise

    def metric_writer(self, run_id: str) -> JournalWriter:
        # The workspace is told of the journal with its first records: nothing waits here.
        return JournalWriter(spool.begin(self.url, run_id))


def from_claim(url: str, token: str) -> JobConnection | None:
    """The connection of this job; None where its runner did not say what it knows."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return None
    known = msgspec.json.decode(Path(path).read_bytes(), type=Known)
    return JobConnection(url, token, known)
