"""What others who use the same server feel while one process logs to it without a pause."""

import http.client
import time
from pathlib import Path
from urllib.parse import urlsplit

import children
from adapters.base import Adapter
from clock import milliseconds, percentile
from roles.victim import COUNTER

from tasks import Figure, Figures

TITLE = "another request to the server while one logs, for N ms"
FULL = 5_000
LEAST = 1_000
PAUSE = 0.005
FIGURES = {
    "p50_ms": Figure("p50, ms"),
    "p99_ms": Figure("p99, ms"),
}


def run(adapter: type[Adapter], folder: str, n: int) -> Figures:
    with adapter.prepare(Path(folder)) as location:
        address = urlsplit(adapter(location).neighbour())
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        target = f"{address.path}?{address.query}"

        def get() -> None:
            connection.request("GET", target)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, f"the server answered {answer.status}"

        get()
        taken = []
        counter = Path(folder) / "counter"
        counter.write_bytes(bytes(COUNTER.size))
        with children.child("roles.victim", adapter.name, location, str(counter)) as logger:
            children.hear(logger)
            until = time.perf_counter() + n / 1000
            while time.perf_counter() < until:
                taken.append(milliseconds(get))
                time.sleep(PAUSE)
            assert logger.poll() is None, "the process that logs has ended"
        connection.close()
    return {"p50_ms": percentile(taken, 0.5), "p99_ms": percentile(taken, 0.99)}
