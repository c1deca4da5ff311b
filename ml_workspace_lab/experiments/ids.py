"""The ids of runs and experiments."""

import os
import time


def new_id() -> str:
    """32 hex digits: the time in ms, then 80 random bits, so that newer ids sort later."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
