"""The ids of runs and experiments."""

import os
import re
import time

_RUN_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """32 hex digits: the time in ms, then 80 random bits, so that newer ids sort later."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def is_run_id(text: str) -> bool:
    """Whether it is an id as runs have them here."""
    return _RUN_ID.fullmatch(text) is not None
