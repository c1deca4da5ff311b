"""When instances start and stop by the clock, and when nobody is at work: at given moments."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ml_workspace_lab.compute.instances import schedules
from ml_workspace_lab.compute.instances.activity import Activity, measured
from ml_workspace_lab.compute.instances.model import Schedule
from ml_workspace_lab.errors import InvalidInput

BERLIN = "Europe/Berlin"
MORNING = Schedule("start", "0 8 * * 1-5", BERLIN)
EVENING = Schedule("stop", "0 18 * * *", BERLIN)
HOUR = 3_600_000


def at(text: str, zone: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        (MORNING, "2026-03-06 07:59:59", "2026-03-06 08:00"),  # a Friday
        (MORNING, "2026-03-06 08:00", "2026-03-09 08:00"),  # and over the weekend
        (EVENING, "2026-03-28 19:00", "2026-03-29 18:00"),  # over the change to summer time
        (EVENING, "2026-10-24 18:00", "2026-10-25 18:00"),  # and back
        (Schedule("stop", "30 2 * * *", BERLIN), "2026-03-28 12:00", "2026-03-29 03:00"),  # no 2:30
        (Schedule("stop", "0 0 29 2 *", "UTC"), "2026-01-01 00:00", "2028-02-29 01:00"),
    ],
)
def test_the_next_time_is_that_of_the_zones_clock(
    schedule: Schedule, moment: str, expected: str
) -> None:
    found = schedules.following(schedule, at(moment))
    assert found is not None
    assert datetime.fromtimestamp(found / 1000, UTC) == datetime.fromtimestamp(
        at(expected) / 1000, UTC
    )


@pytest.mark.parametrize(
    ("since", "moment", "expected"),
    [
        ("2026-03-06 07:00", "2026-03-06 07:59:59", None),
        ("2026-03-06 07:00", "2026-03-06 08:00", MORNING),
        ("2026-03-06 08:00", "2026-03-06 08:00:10", None),  # it was seen to already
        ("2026-03-06 08:00:00", "2026-03-06 17:00", None),
        ("2026-03-05 12:00", "2026-03-06 08:30", MORNING),  # nobody was there at eight
        ("2026-03-05 12:00", "2026-03-06 09:30", None),  # too long ago to be made up for
        ("2026-03-06 17:59", "2026-03-06 18:01", EVENING),
    ],
)
def test_what_came_last_is_due_once_and_for_an_hour(
    since: str, moment: str, expected: Schedule | None
) -> None:
    assert schedules.due([MORNING, EVENING], at(since), at(moment)) == expected


def test_of_two_that_passed_unseen_the_later_one_holds() -> None:
    quick = [Schedule("start", "0 8 * * *", BERLIN), Schedule("stop", "30 8 * * *", BERLIN)]
    since, moment = at("2026-03-06 07:00"), at("2026-03-06 08:45")
    assert schedules.due(quick, since, moment) == quick[1]
    assert schedules.due(quick[::-1], since, moment) == quick[1]


def test_one_that_is_switched_off_is_never_due() -> None:
    off = Schedule("stop", "* * * * *", BERLIN, enabled=False)
    assert schedules.due([off], 0, at("2026-03-06 08:00")) is None
    assert [one.next for one in schedules.plan([off], 0)] == [None]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("stop 61 18 * * * UTC", "schedules[0].cron"),
        ("stop 0 0 31 2 * UTC", "schedules[0].cron"),
        ("stop 0 18 * * x UTC", "schedules[0].cron"),
        ("stop 0 18 * * * Mars/Phobos", "time_zone"),
        ("stop 0 18 * * * ../../etc/passwd", "time_zone"),
        ("pause 0 18 * * *", "action"),
        ("stop 0 18 * *", "schedules"),
        ("", "schedules"),
    ],
)
def test_what_is_no_schedule_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        schedules.check([schedules.parse(text)])
    assert refusal.value.field == field


def test_seconds_are_not_cron() -> None:
    with pytest.raises(InvalidInput, match="five fields"):
        schedules.check([Schedule("stop", "0 0 18 * * *")])


def kernel(state: str, moment: str) -> dict[str, Any]:
    return {"execution_state": state, "last_activity": moment}


STARTED = {"started": "2026-03-06T08:00:00.000000Z"}
NOON = at("2026-03-06 12:00", "UTC")


@pytest.mark.parametrize(
    ("kernels", "terminals", "hours"),
    [
        ([], [], 4),
        ([kernel("idle", "2026-03-06T10:00:00.000000Z")], [], 2),
        ([kernel("busy", "2026-03-06T09:00:00.000000Z")], [], 0),
        ([kernel("starting", "2026-03-06T09:00:00Z")], [], 3),
        ([kernel("idle", "2026-03-06T09:00:00Z"), kernel("busy", "2026-03-06T09:00:00Z")], [], 0),
        ([], [{"last_activity": "2026-03-06T11:00:00.000000Z"}], 1),
    ],
)
def test_idle_is_since_the_last_kernel_or_terminal_did_something(
    kernels: list[dict[str, Any]], terminals: list[dict[str, Any]], hours: float
) -> None:
    found = measured(STARTED, kernels, terminals)
    assert found.idle_seconds(NOON) == hours * 3600


def test_what_no_jupyter_server_says_is_no_answer() -> None:
    for status, kernels in (({}, []), (STARTED, [{}]), ([], []), (STARTED, [kernel("idle", "x")])):
        with pytest.raises(ValueError, match=r"."):
            measured(status, kernels, [])  # type: ignore[arg-type]
    assert Activity(0, NOON + HOUR).idle_seconds(NOON) == 0, "a clock that was set back"
