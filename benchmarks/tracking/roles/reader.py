"""Reads a metric that another process has logged."""

from collections.abc import Mapping

from adapters.base import Adapter
from clock import median_ms, milliseconds
from disk import forget


def run(adapter: type[Adapter], location: str, folder: str, run_id: str) -> Mapping[str, float]:
    store = adapter(location)
    store.history(run_id, "other")  # what is imported and connected by the first call of all
    forget(folder)
    cold = milliseconds(lambda: store.history(run_id, "loss"))
    warm = median_ms(lambda: store.history(run_id, "loss"))
    found = len(store.history(run_id, "loss")[1])
    store.close()
    return {"cold_ms": cold, "warm_ms": warm, "found": found}
