"""The runs below a run, and the one above it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml_workspace_lab.client.run_charts import RunCharts

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run


class RunFamily(RunCharts):
    """The part of `Run` that leads to its children and its parent."""

    def child_run(self, name: str | None = None, *, tags: Mapping[str, str] | None = None) -> "Run":
        """An interactive run below this one; use it as a context manager."""
        from ml_workspace_lab.client.run import start_interactive

        return start_interactive(
            self.workspace, self._info.experiment, display_name=name, parent=self.id, tags=tags
        )

    def get_children(self, recursive: bool = False) -> list["Run"]:
        """The runs below this one, newest first; with `recursive` also those below them, each level
        after the one above it."""
        found = self.workspace.runs(parent=self.id, limit=None)
        level: list[Run] = found if recursive else []
        while level:
            level = [below for run in level for below in run.get_children()]
            found.extend(level)
        return found

    @property
    def parent(self) -> "Run | None":
        parent = self._info.parent
        return self.workspace.run(parent) if parent else None
