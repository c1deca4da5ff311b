"""Waiting for a workspace that can't be reached."""

import os
import random
import time
from collections.abc import Callable
from typing import TypeVar

from ml_workspace_lab.errors import StorageFull, Unavailable

VARIABLE = "ML_WORKSPACE_RUNNER_PATIENCE"
SECONDS = 3600.0
"""How long a runner stays, once its work is done, for a workspace that is away (or as the variable
says). What it could not tell stays on its disk."""
LONGEST_PAUSE = 5.0

T = TypeVar("T")


def seconds() -> float:
    return float(os.environ.get(VARIABLE, SECONDS))


def patiently(action: Callable[[], T], patience: float) -> T:
    """The action, again and again while the workspace is away or its disk full. Raises what it
    raised last when the time is over."""
    until = time.monotonic() + patience
    pause = 0.2
    while True:
        try:
            return action()
        except (Unavailable, StorageFull):
            if time.monotonic() + pause > until:
                raise
            time.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311
            pause = min(LONGEST_PAUSE, pause * 2)
