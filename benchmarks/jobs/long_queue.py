"""A queue of 10,000 runs: what submitting, listing, a look of the dispatcher and cancelling cost.

`python -m benchmarks.jobs.long_queue [RUNS]`; the exit code says whether all bounds hold.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from ml_workspace_lab import Workspace
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.client.snapshot import take_snapshot
from ml_workspace_lab.compute.model import Quotas, UpdateCompute
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.jobs.dispatcher import Dispatcher
from ml_workspace_lab.jobs.model import CommandJob, SubmitRun
from ml_workspace_lab.services import Services

RUNS = 10_000
BOUNDS = {"submit p99 ms": 20, "list 100 ms": 200, "dispatcher step ms": 200, "cancel all s": 5}


def timed(work: Callable[[], Any], times: int = 1) -> list[float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def measure(root: Path, runs: int) -> dict[str, float]:
    (root / "code").mkdir()
    ws = Workspace.create("bench", root / "store")
    # One step at a time, by us: the background process finds nothing that it may begin.
    ws.connection.computes.update("local", UpdateCompute(quotas=Quotas(max_running=0)))
    snapshot = take_snapshot(ws.connection, root / "code").snapshot_id
    body = SubmitRun(CommandJob(["true"]), snapshot)
    submits = [timed(lambda: ws.connection.jobs.submit("e", body))[0] for _ in range(runs)]
    last = sorted(submits[-1000:])
    assert isinstance(ws.connection, LocalConnection)
    services = Services(ws.connection.storage)
    driver = services.computes.driver(services.computes.target("local"))
    dispatcher = Dispatcher(services, "local", driver, Quotas(max_running=0))
    busy = Dispatcher(services, "local", driver, Quotas(max_cores=0.5))
    wake(root / "store")
    found = {
        "submit median ms": 1000 * median(last),
        "submit p99 ms": 1000 * last[len(last) * 99 // 100],
        "list 100 ms": 1000 * median(timed(lambda: ws.runs(limit=100), 9)),
        "dispatcher step ms": 1000 * median(timed(dispatcher.step, 9)),
        "dispatcher step with room, nothing fits, ms": 1000 * median(timed(busy.step, 9)),
        "cancel all s": timed(ws.cancel_runs)[0],
    }
    assert not ws.runs(active=True), "all are canceled"
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
    for name, value in found.items():
        bound = f"   (at most {BOUNDS[name]})" if name in BOUNDS else ""
        print(f"{name:44} {value:8.2f}{bound}")
    sys.exit(any(found[name] > bound for name, bound in BOUNDS.items()))
