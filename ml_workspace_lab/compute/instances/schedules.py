"""When schedules are due: pure functions of given moments."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.api.types import Millis
from ml_workspace_lab.compute.instances.model import PlannedSchedule, Schedule
from ml_workspace_lab.errors import InvalidInput, shown

if TYPE_CHECKING:
    from cronsim import CronSim

MADE_UP = 60 * 60 * 1000
"""How late (ms) a moment is still made up for that passed while nobody was there to see it."""


def parse(text: str) -> Schedule:
    """A schedule from a text such as `stop 0 18 * * 1-5 Europe/Berlin`; without a time zone in UTC.
    Raises InvalidInput."""
    words = text.split()
    zone = words.pop() if len(words) == 7 else "UTC"
    if len(words) != 6:
        raise InvalidInput(
            f"{shown(text)} is no schedule.",
            field="schedules",
            hint="`start` or `stop`, cron's five fields, a time zone: stop 0 18 * * 1-5 UTC.",
        )
    action, *fields = words
    return convert({"action": action, "cron": " ".join(fields), "time_zone": zone}, Schedule)


def check(schedules: Sequence[Schedule]) -> None:
    """Raise InvalidInput naming the schedule that will never be due, or whose zone is unknown."""
    for number, schedule in enumerate(schedules):
        place = f"schedules[{number}]"
        if len(schedule.cron.split()) != 5:
            raise InvalidInput(
                f"{place}: {shown(schedule.cron)} does not have five fields.",
                field=f"{place}.cron",
                hint="Minute, hour, day, month, weekday: `0 18 * * 1-5` is 18:00 on workdays.",
            )
        try:
            following(schedule, 0)
        except ValueError as error:
            raise InvalidInput(
                f"{place}: {shown(schedule.cron)} is not cron's: {error}.", field=f"{place}.cron"
            ) from None


@lru_cache(1024)
def following(schedule: Schedule, moment: Millis) -> Millis | None:
    """The first time after a moment at which it is due; None where it never is. Raises ValueError
    on what is not cron's, InvalidInput on an unknown time zone."""
    from cronsim import CronSimError

    try:
        return _millis(next(_walk(schedule, moment, reverse=False)))
    except CronSimError as error:
        raise ValueError(str(error)) from None
    except (StopIteration, OverflowError):
        return None


def plan(schedules: Sequence[Schedule], moment: Millis) -> list[PlannedSchedule]:
    """The schedules with the time after `moment` at which each is due."""
    return [
        PlannedSchedule(
            one.action,
            one.cron,
            one.time_zone,
            one.enabled,
            following(one, moment) if one.enabled else None,
        )
        for one in schedules
    ]


def due(schedules: Sequence[Schedule], since: Millis, moment: Millis) -> Schedule | None:
    """The schedule whose time came last between `since` (not included) and `moment` (included):
    what it says is what holds, whatever came before. At most an hour is made up for."""
    # To whole minutes, so that what follows is reckoned once a minute and not at every look.
    since = max(since, (moment - MADE_UP) // 60_000 * 60_000)
    latest: tuple[Millis, Schedule] | None = None
    for one in schedules:
        coming = following(one, since) if one.enabled else None
        if coming is None or coming > moment:
            continue
        last = _preceding(one, moment)
        if last is not None and (latest is None or last >= latest[0]):
            latest = last, one
    return latest[1] if latest else None


def _preceding(schedule: Schedule, moment: Millis) -> Millis | None:
    """The last time up to a moment at which it was due."""
    try:
        # cron's moments are whole seconds: one that is exactly now counts as past.
        return _millis(next(_walk(schedule, moment // 1000 * 1000 + 1000, reverse=True)))
    except (StopIteration, OverflowError):
        return None


def _walk(schedule: Schedule, moment: Millis, *, reverse: bool) -> "CronSim":
    from cronsim import CronSim

    zone = _zone(schedule.time_zone)
    return CronSim(schedule.cron, datetime.fromtimestamp(moment / 1000, zone), reverse=reverse)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise InvalidInput(
            f"There is no time zone {shown(name)}.",
            field="time_zone",
            hint="Name one of the IANA database, such as Europe/Berlin or UTC.",
        ) from None


def _millis(moment: datetime) -> Millis:
    return int(moment.timestamp() * 1000)
