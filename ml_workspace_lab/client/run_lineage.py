"""What a run reads and makes."""

from collections.abc import Mapping
from typing import Any

from ml_workspace_lab.client.run_files import RunFiles
from ml_workspace_lab.experiments.lineage import AddLineage, Direction, LineageEntry


class RunLineage(RunFiles):
    """The part of `Run` that keeps its inputs and outputs."""

    def log_input(
        self,
        thing: Any,
        *,
        name: str | None = None,
        digest: str | None = None,
        context: str = "training",
        kind: str = "dataset",
        **data: Any,
    ) -> None:
        """Say that the run reads `thing`: a file of this machine (kept by name and SHA-256, not by
        content), the address of something elsewhere (`s3://…`), or a data frame or array (with a
        name; kept by the SHA-256 of its content, of which from 100 MB on a sample counts). What is
        of another kind than `dataset` may be told by a plain name. Raises InvalidInput."""
        self._log_lineage("input", thing, name, digest, context, kind, data)

    def log_output(
        self,
        thing: Any,
        *,
        name: str | None = None,
        digest: str | None = None,
        context: str = "",
        kind: str = "dataset",
        **data: Any,
    ) -> None:
        """Say that the run makes `thing`, told as for `log_input`."""
        self._log_lineage("output", thing, name, digest, context, kind, data)

    def get_lineage(self) -> list[LineageEntry]:
        """The inputs and outputs of the run, in the order in which they were logged."""
        return self.workspace.connection.lineage.of_run(self.id).items

    def _log_lineage(
        self,
        direction: Direction,
        thing: Any,
        name: str | None,
        digest: str | None,
        context: str,
        kind: str,
        data: Mapping[str, Any],
    ) -> None:
        from ml_workspace_lab.client.lineage import item

        told = item(
            direction, thing, name=name, digest=digest, context=context, kind=kind, data=data
        )
        self.workspace.connection.lineage.add(self.id, AddLineage([told]))
