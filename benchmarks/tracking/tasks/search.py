"""Looking for runs among many, each with 20 parameters, 20 metrics and 5 tags."""

import statistics
import time
from pathlib import Path

from adapters.base import Adapter
from clock import median_ms, milliseconds
from data import matches, rows

from tasks import Figure, Figures

TITLE = "search over runs"
FULL = 1_000
LEAST = 250
PAGE = 100
LEAST_PAGES = 3
"""Of few pages, this many are a tenth."""
FIGURES = {
    "load": Figure("runs/s to load", more_is_better=True),
    "newest_ms": Figure("the newest 100, again and again, ms"),
    "early_ms": Figure("a page of 100 of the first tenth, ms"),
    "late_ms": Figure("a page of 100 of the last tenth, ms"),
    "late": Figure("the last tenth of the pages over the first"),
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
    """The newest page asked again and again; then, after all have been read once, pages of both
    ends in turns, so that a machine that slows down does so for both."""
    newest = median_ms(lambda: next(store.pages(PAGE)))
    sizes = [len(page) for page in store.pages(PAGE)]
    assert sum(sizes) == n, f"{sum(sizes)} of {n} runs on the pages"
    tenth = max(LEAST_PAGES, len(sizes) // 10)
    first, last = store.pages(PAGE), store.pages(PAGE)
    for _ in range(len(sizes) - tenth):
        next(last)
    early, late = list[float](), list[float]()
    for _ in range(tenth):
        early.append(milliseconds(lambda: next(first)))
        late.append(milliseconds(lambda: next(last)))
    ends = {"early_ms": statistics.median(early), "late_ms": statistics.median(late)}
    return {"newest_ms": newest, **ends, "late": ends["late_ms"] / ends["early_ms"]}
