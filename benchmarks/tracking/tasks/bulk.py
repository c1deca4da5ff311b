"""Many points at once, by the fastest way that users of the peer have."""

import time
from pathlib import Path

from adapters.base import Adapter, warm_up
from data import series
from disk import bytes_below

from tasks import Figure, Figures

TITLE = "points over 100 metrics of one run"
FULL = 1_000_000
LEAST = 1_000
KEYS = 100
FIGURES = {
    "points": Figure("points/s until durable and visible", more_is_better=True),
    "cpu_us": Figure("processor time of the caller, µs a point"),
    "bytes": Figure("bytes a point on disk"),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    data = {f"metric{i:02}": series(n // KEYS, i) for i in range(KEYS)}
    with adapter.prepare(Path(folder)) as location:
        store = adapter(location)
        warm_up(store)
        # With what a store takes up for itself.
        before = bytes_below(folder) + store.bytes_elsewhere()
        run = store.start_run()
        cpu, began = time.process_time(), time.perf_counter()
        run.log_series(data)
        run.finish()
        store.publish()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        found = store.history(run.id, "metric42")[1]
        assert list(found) == data["metric42"].values, f"{len(found)} of {n // KEYS} came back"
        elsewhere = store.bytes_elsewhere()
        store.close()
    points = n // KEYS * KEYS
    return {
        "points": points / seconds,
        "cpu_us": cpu / points * 1e6,
        "bytes": (bytes_below(folder) + elsewhere - before) / points,
    }
