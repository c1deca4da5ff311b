"""What goes from and to a workspace as a whole: the trash, exports and imports."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workspace_lab.api.connection import Connection, LocalConnection
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.transfer.report import Progress, silent

if TYPE_CHECKING:
    from ml_workspace_lab.experiments.trash import Collected, PurgeResult, TrashItem
    from ml_workspace_lab.services import Services
    from ml_workspace_lab.transfer.exporting import ExportReport
    from ml_workspace_lab.transfer.report import ImportReport


class WorkspaceTransfer:
    """The part of `Workspace` that deletes, exports and imports."""

    connection: Connection

    @property
    def trash(self) -> "list[TrashItem]":
        """Deleted experiments and runs, the newest deletion first, with their sizes."""
        page = self.connection.trash.list(limit=1000)
        found = page.items
        while page.next is not None:
            page = self.connection.trash.list(after=page.next, limit=1000)
            found += page.items
        return found

    def purge(
        self,
        *,
        older_than_days: float | None = None,
        run_ids: Sequence[str] | None = None,
        experiments: Sequence[str] | None = None,
    ) -> "PurgeResult":
        """Delete for good what is named, else what has been in the trash for 30 days; with
        `older_than_days` only what has been there for so long. What stays says why."""
        from ml_workspace_lab.experiments.trash import Purge

        named = None if run_ids is None else list(run_ids)
        names = None if experiments is None else list(experiments)
        return self.connection.trash.purge(Purge(older_than_days, named, names))

    def collect_garbage(self) -> "Collected":
        """Remove contents that nothing refers to and temporary files, older than a day."""
        return self.connection.trash.collect()

    def export_experiments(
        self, names: str | Sequence[str], folder: str | Path, progress: Progress = silent
    ) -> "ExportReport":
        """Put experiments with all that belongs to them into a folder that another workspace takes.
        Called again, it adds what is new."""
        from ml_workspace_lab.transfer.exporting import export

        wanted = [names] if isinstance(names, str) else list(names)
        return export(self._services(), wanted, Path(folder), progress)

    def import_experiments(self, folder: str | Path, progress: Progress = silent) -> "ImportReport":
        """Take all of an exported folder that is not here yet."""
        from ml_workspace_lab.transfer.importing import import_folder

        return import_folder(self._services(), Path(folder), progress)

    def import_mlflow(
        self, uri: str, artifacts: str | Path | None = None, progress: Progress = silent
    ) -> "ImportReport":
        """Take over the MLflow store in a database (`sqlite:///mlflow.db`), a folder (`mlruns`) or
        behind a server (`http://...`), with the artifacts that lie below the folder `artifacts`
        (default: the store's own; a server has none)."""
        from ml_workspace_lab.transfer.mlflow_import import import_mlflow

        root = None if artifacts is None else Path(artifacts)
        return import_mlflow(self._services(), uri, root, progress)

    def import_tensorboard(
        self, folder: str | Path, experiment: str | None = None, progress: Progress = silent
    ) -> "ImportReport":
        """Take over TensorBoard's event files: each folder below becomes a run of `experiment`
        (default: the folder's name). Called again, it adds what is new."""
        from ml_workspace_lab.transfer.tensorboard import import_tensorboard

        return import_tensorboard(self._services(), Path(folder), experiment, progress)

    def _services(self) -> "Services":
        if not isinstance(self.connection, LocalConnection):
            raise InvalidInput(
                "The workspace is on a server.",
                field="workspace",
                hint="Do it on the machine that has the workspace's folder.",
            )
        self.connection.storage.database.require()
        from ml_workspace_lab.services import Services

        return Services(self.connection.storage)
