"""What git knows of the code of a run, told with the run."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Thread

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.experiments.model import UpdateRun
from ml_workspace_lab.snapshots.git_facts import PATCH, GitFacts, git_facts


class Repository:
    """Asks git about a folder while other work goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._facts: GitFacts | None = None
        self._thread = Thread(target=self._ask, daemon=True)
        self._thread.start()

    def describe(self, connection: Connection, run_id: str) -> None:
        """Keep commit, branch, remote and whether all is committed as the run's properties, and
        what is not committed as an artifact."""
        self._thread.join()
        facts = self._facts
        if facts is None:
            return
        with suppress(WorkspaceError):  # The work goes on without.
            connection.runs.update(run_id, UpdateRun(properties=facts.properties()))
            if facts.patch is not None:
                connection.artifacts.put(run_id, PATCH, BytesIO(facts.patch))

    def _ask(self) -> None:
        self._facts = git_facts(self._folder)
