"""How long a run took by a clock that nobody sets, where one process has seen it begin and end."""

import time

KEPT = 10_000
STEP_MS = 1000
"""By less the two clocks differ by themselves."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while a machine sleeps
_begun: dict[str, tuple[int, int]] = {}


def note(uid: str, started: int) -> None:
    """Remember that a run began, at `started` in ms by the clock on the wall."""
    if len(_begun) >= KEPT:
        del _begun[next(iter(_begun))]
    _begun[uid] = started, _moment()


def end(uid: str, started: int, moment: int) -> int:
    """When a run ended that ends now, which is `moment` by the clock on the wall: where that was
    put forward or back meanwhile, so long after `started` as it took, and never before it."""
    noted, begun = _begun.get(uid, (None, 0))
    by_clock = started + _moment() - begun
    if noted == started and abs(by_clock - moment) > STEP_MS:
        return by_clock
    return max(moment, started)


def _moment() -> int:
    return time.clock_gettime_ns(_CLOCK) // 1_000_000
