"""ML Workspace Lab in process: a workspace in a folder."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from data import FILTER, ORDER, Row, Series

from adapters.base import Adapter

if TYPE_CHECKING:
    import ml_workspace_lab

EXPERIMENT = "bench"
MANY = 1_000


class OursRun:
    """An interactive run."""

    def __init__(self, run: "ml_workspace_lab.Run") -> None:
        self.run = run
        self.id = run.id
        self.log = run.log

    def log_series(self, series: Mapping[str, Series]) -> None:
        for name, one in series.items():
            self.run.log_series(name, one.values, times=one.times)

    def finish(self) -> None:
        self.run.complete()


class Ours(Adapter):
    """Through the objects that users hold, with every check on."""

    name = "ours"
    venv = ""
    most: ClassVar = {"neighbour": 0}

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        from ml_workspace_lab import Workspace

        Workspace.create("bench", folder / "store").close()
        yield str(folder / "store")

    def __init__(self, location: str) -> None:
        from ml_workspace_lab import Workspace

        self.workspace = Workspace.open(location)

    def start_run(self) -> OursRun:
        return OursRun(self.workspace.experiment(EXPERIMENT).start_logging())

    def history(self, run_id: str, name: str) -> tuple[Any, Any]:
        from ml_workspace_lab.errors import NotFound

        try:
            found = self.workspace.run(run_id).get_metric_history(name)
        except NotFound:
            return [], []
        return found.steps, found.values

    def sample(self, run_id: str, name: str, points: int) -> tuple[Any, Any]:
        found = self.workspace.run(run_id).sample_metric(name, points=points)
        return found.steps, found.values

    def load_runs(self, rows: Sequence[Row]) -> None:
        load_runs(self.workspace, rows)

    def pages(self, size: int) -> Iterator[Sequence[Any]]:
        runs = self.workspace.connection.runs
        page = runs.list(limit=size)
        while page.items:
            yield page.items
            if page.next is None:
                return
            page = runs.list(after=page.next, limit=size)

    def best(self, limit: int) -> Any:
        return self.workspace.search_runs(FILTER, order_by=[ORDER], max_results=limit)

    def count(self) -> int:
        return int(self.workspace.count_runs(FILTER))

    def frame(self) -> Any:
        return self.workspace.search_runs()

    def state(self, run_id: str) -> str:
        return self.workspace.run(run_id).get_status().lower()

    def close(self) -> None:
        self.workspace.close()


def load_runs(workspace: "ml_workspace_lab.Workspace", rows: Sequence[Row]) -> None:
    """Ended runs by the calls that users make; where they are many, the same ones as table rows."""
    if len(rows) > MANY:
        from load import load_runs as insert

        insert(workspace.connection.storage.database, len(rows))
        return
    for row in rows:
        with workspace.experiment(EXPERIMENT).start_logging(tags=row.tags) as run:
            run.log_params(row.params)
            for name, value in row.metrics.items():
                run.log(name, value)
