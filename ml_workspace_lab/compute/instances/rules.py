"""What an instance does by itself: stop when nobody works in it, start and stop by the clock."""

from dataclasses import dataclass

from ml_workspace_lab.compute.instances.activity import Activity
from ml_workspace_lab.compute.instances.model import OperationName, Schedule, Trigger
from ml_workspace_lab.compute.instances.states import ALLOWED
from ml_workspace_lab.compute.instances.store import Instance


@dataclass(frozen=True)
class Wish:
    """What a rule asks for, and why."""

    operation: OperationName
    trigger: Trigger
    reason: str


def when_idle(instance: Instance, activity: Activity, moment: int) -> Wish | None:
    """Stop an instance in which nothing was at work for as long as its owner has said."""
    idle = activity.idle_seconds(moment)
    if instance.idle_seconds is None or idle < instance.idle_seconds:
        return None
    reason = f"No kernel and no terminal was at work for {_span(idle)}."
    return Wish(OperationName.STOP, Trigger.IDLE_SHUTDOWN, reason)


def when_due(instance: Instance, schedule: Schedule) -> Wish | None:
    """What a schedule whose time has come asks for; None where it is so already."""
    operation = OperationName.START if schedule.action == "start" else OperationName.STOP
    if instance.state not in ALLOWED[operation]:
        return None
    reason = f"Its schedule says so: {schedule.action} at {schedule.cron} ({schedule.time_zone})."
    return Wish(operation, Trigger.SCHEDULE, reason)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
