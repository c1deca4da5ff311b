"""One of several processes that log to the same store."""

import channel
from adapters.base import Adapter, warm_up
from data import logged


def run(adapter: type[Adapter], location: str, n: int) -> dict[str, object]:
    store = adapter(location)
    warm_up(store)
    run = store.start_run()
    errors = 0
    channel.say("ready")
    channel.wait()
    for step in range(n):
        try:
            run.log("loss", logged(step), step)
        except Exception:  # noqa: BLE001 - any failure of a peer's call counts
            errors += 1
    run.finish()
    store.close()
    return {"run": run.id, "errors": errors}
