"""The runs below a run, the one above it, and what sets it apart from another one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml_workspace_lab.client.run_charts import RunCharts

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run
    from ml_workspace_lab.client.run_diff import RunDiff


class RunFamily(RunCharts):
    """The part of `Run` that leads to other runs."""

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

    def diff(self, other: "Run | str") -> "RunDiff":
        """What differs from this run to another (or its id): files, cells of notebooks, parameters,
        packages and how the work was asked for. A cell's result shows it. Raises NotFound."""
        from ml_workspace_lab.client.run_diff import diff

        return diff(self.workspace, self.id, other if isinstance(other, str) else other.id)

    @property
    def parent(self) -> "Run | None":
        parent = self._info.parent
        return self.workspace.run(parent) if parent else None
