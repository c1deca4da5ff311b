"""A long metric: whole, and for a chart."""

from pathlib import Path

from adapters.base import Adapter
from clock import median_ms
from data import with_spikes

from tasks import Figure, Figures

TITLE = "one long metric"
FULL = 1_000_000
LEAST = 10_000
POINTS = 1_000
SPIKES = 10
FIGURES = {
    "whole_ms": Figure("whole, ms", grows=True),
    "sample_ms": Figure(f"about {POINTS:,} points for a chart, ms", grows=True),
    "spikes": Figure(f"of {SPIKES} spikes in the chart", more_is_better=True, strict=True),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    data, spikes = with_spikes(n, SPIKES)
    with adapter.prepare(Path(folder)) as location:
        writer = adapter(location)
        run = writer.start_run()
        run.log_series({"loss": data})
        run.finish()
        writer.publish()
        writer.close()
        store = adapter(location)
        found = store.history(run.id, "loss")[1]
        assert list(found) == data.values, f"{len(found)} of {n} values came back"
        whole = median_ms(lambda: store.history(run.id, "loss"))
        try:
            steps = store.sample(run.id, "loss", POINTS)[0]
            sampled = median_ms(lambda: store.sample(run.id, "loss", POINTS))
        except NotImplementedError:
            store.close()
            return {"whole_ms": whole, "sample_ms": None, "spikes": None}
        store.close()
    assert POINTS // 4 <= len(steps) <= POINTS * 4, f"{len(steps)} points in the chart"
    kept = len(set(spikes) & {int(step) for step in steps})
    return {"whole_ms": whole, "sample_ms": sampled, "spikes": kept}
