"""MLflow in process: its client on a SQLite file."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from data import FILTER, METRICS, ORDER, Row, Series

from adapters.base import Adapter

EXPERIMENT = "0"
BATCH = 1_000
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


class MLflowRun:
    """A run that the client drives by its id."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.id: str = client.create_run(EXPERIMENT).info.run_id

    def log(self, name: str, value: float, step: int) -> None:
        self.client.log_metric(self.id, name, value, step=step)

    def log_series(self, series: Mapping[str, Series]) -> None:
        from mlflow.entities import Metric

        points = (
            Metric(name, value, when, step)
            for name, one in series.items()
            for step, (value, when) in enumerate(zip(*one, strict=True))
        )
        while batch := list(islice(points, BATCH)):
            self.client.log_batch(self.id, metrics=batch)

    def finish(self) -> None:
        self.client.set_terminated(self.id)


class MLflow(Adapter):
    """`MlflowClient`, each call waited for, which is its default."""

    name = "mlflow"
    venv = "mlflow"
    most: ClassVar = {
        "log": 1_000,
        "bulk": 100_000,
        "long": 100_000,
        "search_large": 0,
        "writers": 100,
        "neighbour": 0,
    }

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        location = f"sqlite:///{folder}/mlflow.db"
        cls(location).client.search_experiments()  # makes the tables
        yield location

    def __init__(self, location: str) -> None:
        import mlflow

        mlflow.set_tracking_uri(location)
        self.location = location
        self.client = mlflow.MlflowClient()

    def start_run(self) -> MLflowRun:
        return MLflowRun(self.client)

    def history(self, run_id: str, name: str) -> tuple[list[int], list[float]]:
        found = self.client.get_metric_history(run_id, name)
        return [point.step for point in found], [point.value for point in found]

    def sample(self, run_id: str, name: str, points: int) -> tuple[list[int], list[float]]:
        """What the server calls for a chart."""
        from mlflow.tracking._tracking_service.utils import _get_store

        found = _get_store().get_metric_history_bulk_interval([run_id], name, points, None, None)
        return [point.step for point in found], [point.value for point in found]

    def load_runs(self, rows: Sequence[Row]) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        for number, row in enumerate(rows):
            run = self.client.create_run(EXPERIMENT, start_time=now + number, tags=row.tags)
            self.client.log_batch(
                run.info.run_id,
                metrics=[Metric(name, row.metrics[name], now, 0) for name in METRICS],
                params=[Param(*pair) for pair in row.params.items()],
            )
            self.client.set_terminated(run.info.run_id)

    def pages(self, size: int) -> Iterator[Sequence[Any]]:
        token = None
        while True:
            page = self.client.search_runs([EXPERIMENT], max_results=size, page_token=token)
            if page:
                yield page
            token = page.token
            if not token:
                return

    def best(self, limit: int) -> Sequence[Any]:
        found: Sequence[Any] = self.client.search_runs(
            [EXPERIMENT], FILTER, order_by=[ORDER], max_results=limit
        )
        return found

    def count(self) -> int:
        """It has no other way than to read them all."""
        return len(self.client.search_runs([EXPERIMENT], FILTER, max_results=50_000))

    def frame(self) -> Any:
        import mlflow

        return mlflow.search_runs([EXPERIMENT])

    def state(self, run_id: str) -> str:
        return str(self.client.get_run(run_id).info.status).lower()
