"""A metric of an ended run, whole, by a process that has not seen it."""

from pathlib import Path

import children
from adapters.base import Adapter
from data import series

from tasks import Figure, Figures

TITLE = "one metric back"
FULL = 10_000
LEAST = 100
FIGURES = {
    "cold_ms": Figure("the first time, its pages not in memory, ms", grows=True),
    "warm_ms": Figure("again, ms", grows=True),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    with adapter.prepare(Path(folder)) as location:
        store = adapter(location)
        run = store.start_run()
        run.log_series({"loss": series(n, 1)})
        run.log_series({"other": series(10, 2)})
        run.finish()
        store.publish()
        store.close()
        answer = children.ask("roles.reader", adapter.name, location, folder, run.id)
    assert answer["found"] == n, f"{answer['found']} of {n} points came back"
    return {name: answer[name] for name in FIGURES}
