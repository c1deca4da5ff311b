"""MLflow over HTTP: its client, and its server with one worker on a SQLite file."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

from adapters.mlflow import MLflow
from adapters.servers import free_port, serving


class MLflowRest(MLflow):
    """One worker: more of them get in each other's way on SQLite."""

    name = "mlflow-rest"
    most: ClassVar = {
        "log": 500,
        "bulk": 50_000,
        "long": 50_000,
        "search": 500,
        "search_large": 0,
        "writers": 50,
    }

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        with MLflow.prepare(folder) as database:
            url = f"http://127.0.0.1:{free_port()}"
            words = [
                sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database,
                "--artifacts-destination", str(folder / "artifacts"), "--workers", "1",
                "--host", "127.0.0.1", "--port", url.rpartition(":")[2],
            ]  # fmt: skip
            # Its queue of background jobs takes eight processes that no task here uses.
            alone = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            with serving(words, folder / "server.log", f"{url}/health", alone):
                yield url

    def sample(self, run_id: str, name: str, points: int) -> tuple[list[int], list[float]]:
        """What its own charts ask for."""
        query = urlencode({"run_ids": run_id, "metric_key": name, "max_results": points})
        path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
        with urllib.request.urlopen(f"{self.location}{path}?{query}", timeout=60) as answer:
            found = json.load(answer)["metrics"]
        return [int(point.get("step", 0)) for point in found], [point["value"] for point in found]

    def neighbour(self) -> str:
        return f"{self.location}/health"
