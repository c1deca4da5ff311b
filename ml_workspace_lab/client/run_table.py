"""Runs that a notebook shows as a table."""

from typing import Any

from ml_workspace_lab.client.card import runs_bundle
from ml_workspace_lab.client.run import Run


class RunTable(list[Run]):
    """A list of runs; as a cell's result it is a table of them as they were when listed."""

    def _repr_html_(self) -> str | None:
        return self._bundle()["text/html"] if self else None

    # Not by a bundle: IPython's own text form of a list would come before that.
    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        nothing = "No runs yet. `%ws_run` runs this notebook as one."
        printer.text(self._bundle()["text/plain"] if self else nothing)

    def _bundle(self) -> dict[str, Any]:
        return runs_bundle([run.listed for run in self])
