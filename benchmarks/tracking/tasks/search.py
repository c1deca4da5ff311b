"""Looking for runs among many, each with 20 parameters, 20 metrics and 5 tags."""

import statistics
import time
from pathlib import Path

from adapters.base import Adapter
from clock import median_ms
from data import matches, rows

from tasks import Figure, Figures

TITLE = "search over runs"
FULL = 1_000
LEAST = 250
PAGE = 100
LATE = 3
"""Pages at the end whose median is that of the last one."""
FIGURES = {
    "load": Figure("runs/s to load", more_is_better=True),
    "newest_ms": Figure("the newest 100, ms"),
    "last_ms": Figure("the last page of 100, ms"),
    "best_ms": Figure("metric > x and param = y, the best 100 by a metric, ms"),
    "count_ms": Figure("the number of those, ms", grows=True),
    "frame_ms": Figure("all as a DataFrame, ms", grows=True),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    made = list(rows(n))
    matching = sum(map(matches, made))
    with adapter.prepare(Path(folder)) as location:
        store = adapter(location)
        began = time.perf_counter()
        store.load_runs(made)
        store.publish()
        figures: dict[str, float | None] = {"load": n / (time.perf_counter() - began)}
        made.clear()  # so many objects slow down all that the process does
        figures |= paging(store, n)
        assert len(store.best(PAGE)) == min(matching, PAGE), "the wrong runs were found"
        figures["best_ms"] = median_ms(lambda: store.best(PAGE))
        assert store.count() == matching, f"{store.count()} counted, not {matching}"
        figures["count_ms"] = median_ms(store.count)
        try:
            assert len(store.frame()) == n, "the DataFrame is not whole"
            figures["frame_ms"] = median_ms(store.frame)
        except NotImplementedError:
            figures["frame_ms"] = None
        store.close()
    return figures


def paging(store: Adapter, n: int) -> Figures:
    """The first page, and the last after all that lie before it."""
    newest = median_ms(lambda: next(store.pages(PAGE)))
    found, taken = 0, list[float]()
    pages = store.pages(PAGE)
    while True:
        began = time.perf_counter()
        page = next(pages, None)
        if page is None:
            break
        found += len(page)
        taken.append((time.perf_counter() - began) * 1000)
    assert found == n, f"{found} of {n} runs on the pages"
    return {"newest_ms": newest, "last_ms": statistics.median(taken[-LATE:])}
