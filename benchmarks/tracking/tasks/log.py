"""One value at a time, as a training loop logs: what a call costs, and all of them until seen."""

import time
from array import array
from collections.abc import Sequence
from pathlib import Path

from adapters.base import Adapter, Run
from clock import percentile
from data import series

from tasks import Figure, Figures

TITLE = "log one value per call"
FULL = 200_000
LEAST = 20
FIGURES = {
    "p50_us": Figure("a call, p50, µs"),
    "p99_us": Figure("a call, p99, µs"),
    "p999_us": Figure("a call, p99.9, µs"),
    "cpu_us": Figure("processor time of the caller, µs a call"),
    "calls": Figure("calls/s until durable and visible", more_is_better=True),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    values = series(n, 1).values
    with adapter.prepare(Path(folder)) as location:
        store = adapter(location)
        taken = each(store.start_run(), values)
        run = store.start_run()
        cpu, began = time.process_time(), time.perf_counter()
        for step, value in enumerate(values):
            run.log("loss", value, step)
        run.finish()
        store.publish()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        found = store.history(run.id, "loss")[1]
        assert list(found) == values, f"{len(found)} of {n} values came back"
        store.close()
    return {
        "p50_us": percentile(taken, 0.5),
        "p99_us": percentile(taken, 0.99),
        "p999_us": percentile(taken, 0.999),
        "cpu_us": cpu / n * 1e6,
        "calls": n / seconds,
    }


def each(run: Run, values: Sequence[float]) -> list[float]:
    """Microseconds that each call took, after one that is not counted."""
    clock = time.perf_counter_ns
    run.log("loss", 0.0, 0)
    # There before the first call: no page of what is measured is waited for by who is measured.
    taken = array("q", bytes(8 * len(values)))
    for index, value in enumerate(values):
        began = clock()
        run.log("loss", value, index + 1)
        taken[index] = clock() - began
    run.finish()
    return [nanoseconds / 1000 for nanoseconds in taken]
