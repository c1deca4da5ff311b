"""Which state of an instance may follow which, and what may be asked in which: pure tables."""

from ml_workspace_lab.compute.instances.model import InstanceState as S
from ml_workspace_lab.compute.instances.model import OperationName as O
from ml_workspace_lab.errors import Conflict

FAILED = frozenset({S.CREATE_FAILED, S.SETUP_FAILED, S.USER_SETUP_FAILED, S.UNUSABLE})
COMING_UP = frozenset({S.CREATING, S.SETTING_UP, S.USER_SETTING_UP, S.STARTING, S.RESTARTING})
UP = COMING_UP | {S.RUNNING, S.UNKNOWN}
"""There is a process, or there is to be one."""
AT_WORK = UP | {S.STOPPING, S.DELETING}
"""There is something to watch."""

_ENDS = frozenset({S.STOPPING, S.STOPPED, S.DELETING})

FOLLOWING: dict[S, frozenset[S]] = {
    S.CREATING: _ENDS | FAILED | {S.SETTING_UP, S.USER_SETTING_UP, S.RUNNING},
    S.STARTING: _ENDS | FAILED | {S.SETTING_UP, S.USER_SETTING_UP, S.RUNNING},
    S.RESTARTING: _ENDS | FAILED | {S.SETTING_UP, S.USER_SETTING_UP, S.RUNNING},
    # Back to Restarting: the process was lost on the way, and is started again.
    S.SETTING_UP: _ENDS | FAILED | {S.USER_SETTING_UP, S.RUNNING, S.RESTARTING},
    S.USER_SETTING_UP: _ENDS | FAILED | {S.SETTING_UP, S.RUNNING, S.RESTARTING},
    # To Stopped by itself: somebody shut it down from inside.
    S.RUNNING: _ENDS | {S.UNKNOWN, S.RESTARTING, S.UNUSABLE},
    S.UNKNOWN: _ENDS | {S.RUNNING, S.RESTARTING, S.UNUSABLE},
    S.STOPPING: frozenset({S.STOPPED, S.DELETING}),
    S.STOPPED: frozenset({S.STARTING, S.DELETING}),
    S.CREATE_FAILED: frozenset({S.STARTING, S.DELETING}),
    S.SETUP_FAILED: frozenset({S.STARTING, S.DELETING}),
    S.USER_SETUP_FAILED: frozenset({S.STARTING, S.DELETING}),
    S.UNUSABLE: frozenset({S.STARTING, S.DELETING}),
    S.DELETING: frozenset(),
}

BEGINS: dict[O, S] = {
    O.CREATE: S.CREATING,
    O.START: S.STARTING,
    O.STOP: S.STOPPING,
    O.RESTART: S.RESTARTING,
    O.DELETE: S.DELETING,
}
"""The state that an operation brings about at once."""

ALLOWED: dict[O, frozenset[S]] = {
    O.CREATE: frozenset(),
    O.START: FAILED | {S.STOPPED},
    O.STOP: UP,
    O.RESTART: frozenset({S.RUNNING, S.UNKNOWN}),
    O.DELETE: frozenset(S) - {S.DELETING},
}
"""In which states an operation may be asked for."""


def check_transition(name: str, present: S, wanted: S) -> None:
    """Raise Conflict where `wanted` can't follow `present`."""
    if wanted is not present and wanted not in FOLLOWING[present]:
        raise Conflict(f"{name} is {present} and can't become {wanted}.", field="state")


def begin(name: str, present: S, operation: O) -> S:
    """The state that an operation leads to at once. Raises Conflict where it can't be asked now."""
    if present not in ALLOWED[operation]:
        states = sorted(ALLOWED[operation])
        raise Conflict(
            f"{name} is {present}: it can't be asked to {operation.lower()} now.",
            field="name",
            hint=f"That can be asked of one that is {', '.join(states)}.",
        )
    return BEGINS[operation]


def failure_of(operation: O, in_progress: bool, phase: S) -> S:
    """The state of an instance that could not be brought up: by what it was at, and by whether it
    has ever been up."""
    if phase is S.USER_SETTING_UP:
        return S.USER_SETUP_FAILED
    if operation is O.CREATE and in_progress:
        return S.CREATE_FAILED
    return S.SETUP_FAILED if phase is S.SETTING_UP else S.UNUSABLE
