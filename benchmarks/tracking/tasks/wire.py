"""What a server itself takes over the MLflow protocol: the requests that MLflow's client sends,
from one bare connection. The client's own milliseconds, the same for all servers, are not in it."""

import http.client
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from adapters.base import Adapter, warm_up
from clock import MOST, median_ms
from data import BEGAN, FILTER, ORDER, rows, series

from tasks import Figure, Figures

TITLE = "MLflow's requests over a bare connection, runs"
PEERS = ("ours-mlflow", "mlflow-rest")
FULL = 2_400  # so many that a full page matches the filter
LEAST = 150
BATCH = 1_000
POINTS = 10_000
EXPERIMENT = "0"
_steps = count()
FIGURES = {
    "log_ms": Figure("log-metric, ms"),
    "batch": Figure("log-batch, points/s", more_is_better=True),
    "newest_ms": Figure("runs/search, the newest 100, ms"),
    "best_ms": Figure("runs/search, metric > x and param = y, the best 100 by a metric, ms"),
    "history_ms": Figure("metrics/get-history, 10,000 points, ms"),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    with adapter.prepare(Path(folder)) as location:
        store = adapter(location)
        warm_up(store)
        store.load_runs(list(rows(n)))
        wire = Wire(location)
        run = store.start_run()
        figures = {
            "log_ms": median_ms(lambda: wire.post("runs/log-metric", point(run.id, "one"))),
            "batch": BATCH / median_ms(batches(wire, run.id)) * 1000,
            "newest_ms": median_ms(search(wire)),
            "best_ms": median_ms(search(wire, filter=FILTER, order_by=[ORDER])),
        }
        run.log_series({"long": series(POINTS, 1)})
        asked = urlencode({"run_id": run.id, "metric_key": "long", "max_results": 25_000})
        found = wire.get(f"metrics/get-history?{asked}")["metrics"]
        assert len(found) == POINTS, f"{len(found)} of {POINTS} points came back"
        figures["history_ms"] = median_ms(lambda: wire.get(f"metrics/get-history?{asked}"))
        wire.close()
        store.close()
    return figures


def point(run_id: str, key: str) -> dict[str, object]:
    step = next(_steps)
    return {"run_id": run_id, "key": key, "value": 0.5, "timestamp": BEGAN, "step": step}


def batches(wire: "Wire", run_id: str) -> Callable[[], Any]:
    """A call that logs a thousand points, new ones each time; what it sends is made before."""
    values = series(BATCH, 2).values
    bodies = [
        json.dumps(
            {
                "run_id": run_id,
                "metrics": [
                    {"key": "many", "value": value, "timestamp": BEGAN, "step": next(_steps)}
                    for value in values
                ],
            }
        ).encode()
        for _ in range(MOST)
    ]
    return lambda: wire.send("runs/log-batch", bodies.pop())


def search(wire: "Wire", **asked: object) -> Callable[[], Any]:
    body = {"experiment_ids": [EXPERIMENT], "max_results": 100, **asked}
    assert wire.post("runs/search", body)["runs"], "no runs were found"
    return lambda: wire.send("runs/search", json.dumps(body).encode())


class Wire:
    """A connection to a server of the protocol. Raises AssertionError on any answer but 200."""

    def __init__(self, location: str) -> None:
        address = urlsplit(location)
        assert address.hostname is not None
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        self._base = f"{address.path}/api/2.0/mlflow"

    def post(self, path: str, body: object) -> Any:
        return json.loads(self.send(path, json.dumps(body).encode()))

    def get(self, path: str) -> Any:
        return json.loads(self.send(path))

    def send(self, path: str, body: bytes | None = None) -> bytes:
        try:
            answer = self._answer(path, body)
        except http.client.RemoteDisconnected:  # nothing was asked for some seconds
            self._connection.close()
            answer = self._answer(path, body)
        content = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {content[:200]!r}"
        return content

    def _answer(self, path: str, body: bytes | None) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"} if body else {}
        method = "POST" if body else "GET"
        self._connection.request(method, f"{self._base}/{path}", body, headers)
        return self._connection.getresponse()

    def close(self) -> None:
        self._connection.close()
