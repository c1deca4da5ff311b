"""A process that is killed while it logs: what of its values is lost, and who ends its run."""

import time
from pathlib import Path

import children
from adapters.base import Adapter
from data import whole
from roles.victim import COUNTER

from tasks import Figure, Figures

TITLE = "kill -9 after N ms of logging"
FULL = 1_000
LEAST = 1_000
ENDED = ("failed", "killed", "notresponding")
CLOSED_WITHIN = 40.0
READ_WITHIN = 10.0
FIGURES = {
    "returned": Figure("calls that had returned", more_is_better=True),
    "lost": Figure("of them lost", strict=True),
    "closed_s": Figure("until the run is shown as dead, s"),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    counter = Path(folder) / "counter"
    counter.write_bytes(bytes(COUNTER.size))
    store_folder = Path(folder) / "store"
    store_folder.mkdir()
    with adapter.prepare(store_folder) as location:
        with children.child("roles.victim", adapter.name, location, str(counter)) as victim:
            run_id = children.hear(victim)
            time.sleep(n / 1000)
            victim.kill()
            victim.wait()
        died = time.perf_counter()
        (returned,) = COUNTER.unpack(counter.read_bytes())
        lost = returned - found(adapter, location, run_id, returned)
        closed = closing(adapter, location, run_id, died)
    return {"returned": returned, "lost": lost, "closed_s": closed}


def found(adapter: type[Adapter], location: str, run_id: str, returned: int) -> int:
    """How many of the values a new reader finds; a peer's surviving helper gets time to finish."""
    until = time.perf_counter() + READ_WITHIN
    seen = 0
    while seen < returned and time.perf_counter() < until:
        store = adapter(location)
        store.publish()
        steps, values = store.history(run_id, "loss")
        seen = min(returned, whole(steps, values))
        store.close()
        time.sleep(0.2)
    return seen


def closing(adapter: type[Adapter], location: str, run_id: str, died: float) -> float | None:
    """Seconds from the death to the end of the run; infinite where nobody ends it."""
    store = adapter(location)
    try:
        while (passed := time.perf_counter() - died) < CLOSED_WITHIN:
            if store.state(run_id) in ENDED:
                return passed
            time.sleep(0.1)
        return float("inf")
    except NotImplementedError:
        return None
    finally:
        store.close()
