"""Eight processes that log to runs of their own in one store."""

import time
from contextlib import ExitStack
from pathlib import Path

import children
from adapters.base import Adapter
from data import whole

from tasks import Figure, Figures

TITLE = "8 processes, calls each"
FULL = 100_000
LEAST = 20
PROCESSES = 8
FIGURES = {
    "calls": Figure("calls/s of all until durable and visible", more_is_better=True),
    "errors": Figure("calls that failed", strict=True),
    "lost": Figure("values that returned and can't be read", strict=True),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    with adapter.prepare(Path(folder)) as location:
        store = adapter(location)
        with ExitStack() as stack:
            writers = [
                stack.enter_context(children.child("roles.writer", adapter.name, location, n))
                for _ in range(PROCESSES)
            ]
            for writer in writers:
                children.hear(writer)  # it is ready
            began = time.perf_counter()
            for writer in writers:
                children.tell(writer)
            answers = [children.hear(writer) for writer in writers]
            store.publish()
            seconds = time.perf_counter() - began
        read = sum(whole(*store.history(answer["run"], "loss")) for answer in answers)
        store.close()
    errors = sum(answer["errors"] for answer in answers)
    done = PROCESSES * n - errors
    return {"calls": done / seconds, "errors": errors, "lost": done - read}
