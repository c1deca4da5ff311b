"""What a job costs: the use of the machine, the job's processes and GPUs, logged as metrics."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.experiments.model import MetricPoint
from ml_workspace_lab.jobs.runner.beside import beside
from ml_workspace_lab.jobs.runner.link import Link

VARIABLE = "ML_WORKSPACE_SYSTEM_METRICS_SECONDS"
SECONDS = 10.0
"""Between two readings; one takes some milliseconds."""
LEAST_SECONDS = 1.0
PREFIX = "system/"


@contextmanager
def watched(link: Link) -> Iterator[None]:
    """Within the block a reading is logged every ten seconds, or as often as the variable says
    (0: never). A run that is over before the first has none."""
    seconds = _interval()
    if not seconds:
        yield
        return
    with beside("usage", lambda over: _watch(link, seconds, over)):
        yield


def _watch(link: Link, seconds: float, over: threading.Event) -> None:
    if over.wait(min(seconds, LEAST_SECONDS)):
        return  # A short run pays nothing.
    from ml_workspace_lab.compute.usage import SystemUsage

    usage = SystemUsage()
    while not over.wait(seconds):
        moment = time.time_ns() // 1_000_000
        points = [
            MetricPoint(PREFIX + name, value, time=moment) for name, value in usage.read().items()
        ]
        try:
            link.log_metrics(points)
        except WorkspaceError:
            continue  # A full disk, a workspace that is away: the next reading may find it well.


def _interval() -> float:
    try:
        seconds = float(os.environ.get(VARIABLE, SECONDS))
    except ValueError:
        return SECONDS
    return max(seconds, LEAST_SECONDS) if seconds > 0 else 0.0
