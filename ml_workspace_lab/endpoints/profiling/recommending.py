"""How many scoring processes a version is to have, by what was measured."""

from collections.abc import Sequence

from ml_workspace_lab.models.profiles.model import Level, Machine, Workers

GAIN = 1.15
"""How many times as many requests twice the processes have to answer to be worth their memory."""
BUSY = 0.8
"""The part of its cores from which processes count as at work all the time."""
MEMORY_SHARE = 0.5
"""Of the memory that is available, for all processes together."""
MOST = 16


def goes_on(found: Sequence[Workers], cores: int, mib: float, available_mib: float) -> bool:
    """Whether twice as many processes as were measured last are worth a try."""
    last = found[-1]
    if 2 * last.workers > MOST or 2 * last.workers * mib > MEMORY_SHARE * available_mib:
        return False
    if len(found) > 1 and last.requests_per_second <= GAIN * found[-2].requests_per_second:
        return False
    return last.workers < cores or _wanted(last) < BUSY * cores


def remark(machine: Machine) -> str:
    """What else is to be known of it: nothing on a quiet machine."""
    if machine.busy_cores < (1 - BUSY) * machine.cores:
        return ""
    return (
        f" Other programs took {machine.busy_cores:.1f} of {machine.cores} cores meanwhile: measure"
        " again when they are quiet."
    )


def _wanted(found: Workers) -> float:
    """The processors that they would keep at work if they had them to themselves."""
    return found.cores + found.waited_cores


def recommended(
    found: Sequence[Workers], busiest: Level, cores: int, mib: float, available_mib: float
) -> tuple[int, str]:
    """The number, and why in words."""
    chosen = found[0]
    for one in found[1:]:
        if one.requests_per_second <= GAIN * chosen.requests_per_second:
            break
        chosen = one
    return chosen.workers, " ".join(
        filter(
            None,
            (
                _gain(found, chosen),
                _why_no_more(found, chosen, busiest, cores, mib, available_mib),
            ),
        )
    )


def _gain(found: Sequence[Workers], chosen: Workers) -> str:
    first = found[0]
    if chosen is first:
        if len(found) == 1:
            return f"One process answers {first.requests_per_second:,.0f} requests a second."
        times = found[1].requests_per_second / max(first.requests_per_second, 1e-9)
        return f"{found[1].workers} processes answer {times:.2f} times the requests of one."
    times = chosen.requests_per_second / max(first.requests_per_second, 1e-9)
    return f"{chosen.workers} processes answer {times:.1f} times the requests of one."


def _why_no_more(
    found: Sequence[Workers],
    chosen: Workers,
    busiest: Level,
    cores: int,
    mib: float,
    available_mib: float,
) -> str:
    last = found[-1]
    if chosen is not last:
        if busiest.cores > 1 + (1 - BUSY) and chosen is found[0]:
            return f"One uses {busiest.cores:.1f} of {cores} cores by itself."
        if _wanted(last) < BUSY * cores:
            return "What they wait for answers no more."
        return f"{last.cores:.1f} of {cores} cores are at work then, beside those who ask."
    if 2 * chosen.workers * mib > MEMORY_SHARE * available_mib:
        return f"Twice as many, of {mib:,.0f} MiB each, would take over half of the free memory."
    if 2 * chosen.workers > MOST:
        return "More were not tried."
    return f"There are {cores} cores, and they would keep {_wanted(last):.1f} at work."
