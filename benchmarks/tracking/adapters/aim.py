"""Aim: a repository in a folder."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from data import KIND, THRESHOLD, Row, Series

from adapters.base import Adapter

QUERY = f"run.p00 == '{KIND}' and run.metrics['m00'].last > {THRESHOLD}"


class AimRun:
    """A run; no query finds it before an indexer has seen it."""

    def __init__(self, repo: Any) -> None:
        import aim

        self.run = aim.Run(
            repo=repo, system_tracking_interval=None, log_system_params=False,
            capture_terminal_logs=False,
        )  # fmt: skip
        self.id: str = self.run.hash

    def log(self, name: str, value: float, step: int) -> None:
        self.run.track(value, name=name, step=step)

    def log_series(self, series: Mapping[str, Series]) -> None:
        for name, one in series.items():
            for step, value in enumerate(one.values):
                self.run.track(value, name=name, step=step)

    def finish(self) -> None:
        self.run.close()


class Aim(Adapter):
    """`aim.Run`, and its repository to read."""

    name = "aim"
    venv = "aim"
    most: ClassVar = {
        "log": 5_000,
        "bulk": 10_000,
        "long": 20_000,
        "search": 250,
        "search_large": 0,
        "writers": 500,
        "neighbour": 0,
    }

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        import aim

        aim.Repo.from_path(str(folder), init=True).close()
        yield str(folder)

    def __init__(self, location: str) -> None:
        import aim

        self.repo = aim.Repo(location)

    def publish(self) -> None:
        """What its indexer (`aim up`, `aim storage reindex`) does."""
        from aim.sdk.index_manager import RepoIndexManager

        indexer = RepoIndexManager.get_index_manager(self.repo)
        for chunk in (Path(self.repo.path) / "meta" / "chunks").iterdir():
            indexer.index(chunk.name)
        # What an open repository has read of the index it never reads again.
        self.repo.close()
        self.repo = type(self)(self.repo.root_path).repo

    def start_run(self) -> AimRun:
        return AimRun(self.repo)

    def history(self, run_id: str, name: str) -> tuple[Any, Any]:
        found = self.metric(run_id, name)
        if found is None:
            return [], []
        steps, (values,) = found.data.view("val").numpy()
        return steps, values

    def sample(self, run_id: str, name: str, points: int) -> tuple[Any, Any]:
        steps, (values,) = self.metric(run_id, name).data.view("val").sample(points).numpy()
        return steps, values

    def metric(self, run_id: str, name: str) -> Any:
        """None where the index does not have the run."""
        from aim.storage.context import Context

        run = self.repo.get_run(run_id)
        return None if run is None else run.get_metric(name, Context({}))

    def load_runs(self, rows: Sequence[Row]) -> None:
        for row in rows:
            run = AimRun(self.repo)
            for name, text in (row.params | row.tags).items():
                run.run[name] = text
            for name, value in row.metrics.items():
                run.log(name, value, 0)
            run.finish()

    def pages(self, size: int) -> Iterator[list[Any]]:
        found = self.query("")
        while page := list(islice(found, size)):
            yield page

    def best(self, limit: int) -> list[Any]:
        """It has no order of its own: sorted here."""
        found = sorted(self.query(QUERY), key=lambda row: row["m01"], reverse=True)
        return found[:limit]

    def count(self) -> int:
        return sum(1 for _ in self.matching(QUERY))

    def frame(self) -> Any:
        import pandas as pd

        return pd.DataFrame(self.query(""))

    def query(self, text: str) -> Iterator[dict[str, Any]]:
        """Every run that a query finds, with its parameters and the last values of its metrics."""
        for run in self.matching(text):
            last = run.collect_sequence_info(("metric",))["metric"]
            metrics = {one["name"]: one["values"]["last"] for one in last}
            yield {"hash": run.hash, **run[...], **metrics}

    def matching(self, text: str) -> Iterator[Any]:
        from aim.sdk.types import QueryReportMode

        found = self.repo.query_runs(text, report_mode=QueryReportMode.DISABLED)
        return (one.run for one in found.iter_runs())

    def close(self) -> None:
        self.repo.close()
