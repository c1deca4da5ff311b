"""What a compute instance is: a Jupyter server with a name, an owner and rules."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ml_workspace_lab.api.types import Key, Millis, Name, Text, Variable, Word, text_like
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.environments.model import EnvironmentReference

LOCAL = "local"

InstanceName = Annotated[
    str,
    text_like(
        r"^[A-Za-z][A-Za-z0-9-]*$(?!\n)",
        "must be letters (A-Z, a-z), digits and -, the first a letter",
        min_length=3,
        max_length=24,
    ),
]
"""Azure Machine Learning's rule: 3 to 24 letters, digits or `-`, a letter first."""


class InstanceState(StrEnum):
    """Azure Machine Learning's states, but those of a virtual machine's resizing, and `JobRunning`:
    an instance is no target of jobs."""

    CREATING = "Creating"
    CREATE_FAILED = "CreateFailed"
    SETTING_UP = "SettingUp"
    SETUP_FAILED = "SetupFailed"
    USER_SETTING_UP = "UserSettingUp"
    USER_SETUP_FAILED = "UserSetupFailed"
    RUNNING = "Running"
    STARTING = "Starting"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    RESTARTING = "Restarting"
    UNUSABLE = "Unusable"
    UNKNOWN = "Unknown"
    DELETING = "Deleting"


class OperationName(StrEnum):
    CREATE = "Create"
    START = "Start"
    STOP = "Stop"
    RESTART = "Restart"
    DELETE = "Delete"


OperationStatus = Literal[
    "InProgress",
    "Succeeded",
    "CreateFailed",
    "StartFailed",
    "StopFailed",
    "RestartFailed",
    "DeleteFailed",
]


class Trigger(StrEnum):
    """Who or what asked for an operation."""

    USER = "User"
    SCHEDULE = "Schedule"
    IDLE_SHUTDOWN = "IdleShutdown"


class LastOperation(Struct, frozen=True):
    """The newest thing that was asked of an instance, by whom, and what came of it."""

    name: OperationName
    status: OperationStatus
    trigger: Trigger
    reason: str
    time: Millis
    user: str


class SetupScript(Struct, frozen=True, forbid_unknown_fields=True):
    """A script for `bash`. What has not ended after the time limit is ended."""

    script: Annotated[
        str,
        text_like(r"^[^\x00]*$(?!\n)", "must not hold a NUL character", max_length=65_536),
    ]
    timeout_minutes: Annotated[float, Meta(gt=0, le=24 * 60)] = 15


class SetupScripts(Struct, frozen=True, forbid_unknown_fields=True):
    """`creation` runs until it has succeeded once, `startup` before each start of the server."""

    creation: SetupScript | None = None
    startup: SetupScript | None = None


class Schedule(Struct, frozen=True, forbid_unknown_fields=True):
    """When to start or stop by itself: five fields of cron, in a time zone such as
    `Europe/Berlin`."""

    action: Literal["start", "stop"]
    cron: Annotated[str, Meta(min_length=9, max_length=200)]
    time_zone: Name = "UTC"
    enabled: bool = True


Schedules = Annotated[list[Schedule], Meta(max_length=4)]
IdleMinutes = Annotated[float, Meta(ge=1, le=60 * 24 * 7)]
Variables = dict[Variable, Word]


class PlannedSchedule(Struct, frozen=True):
    """A schedule and when it is due next; None where it is switched off."""

    action: Literal["start", "stop"]
    cron: str
    time_zone: str
    enabled: bool
    next: Millis | None


class InstanceInfo(Struct, frozen=True):
    """`reason` says why it is in its state. Of the variables' values nothing is told, since they
    may be secrets. `restarts` counts how often the server was started again after a crash."""

    name: str
    state: InstanceState
    reason: str
    owner: str
    assigned_user: str | None
    last_operation: LastOperation
    last_activity: Millis | None
    idle_minutes_before_shutdown: float | None
    schedules: list[PlannedSchedule]
    compute_target: str
    resources: Resources | None
    environment: str | None
    setup_scripts: SetupScripts
    environment_variables: list[str]
    restarts: int
    description: str
    tags: dict[str, str]
    created: Millis
    updated: Millis


class InstanceList(Struct, frozen=True):
    items: list[InstanceInfo]


class CreateInstance(Struct, frozen=True, forbid_unknown_fields=True):
    """A Jupyter server for its maker alone or, where one is named, for `assigned_user`. Its kernels
    and scripts run in the environment NAME or NAME:VERSION, by default the workspace's own. It is a
    process of the workspace's machine or, on another `compute_target`, a job with `resources`."""

    name: InstanceName
    environment: EnvironmentReference | None = None
    setup_scripts: SetupScripts = field(default_factory=SetupScripts)
    environment_variables: Variables = field(default_factory=dict)
    idle_minutes_before_shutdown: IdleMinutes | None = None
    schedules: Schedules = field(default_factory=list)
    assigned_user: Name | None = None
    description: Text = ""
    tags: dict[Key, Text] = field(default_factory=dict)
    compute_target: Name = LOCAL
    resources: Resources | None = None


class UpdateInstance(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: schedules, scripts and variables are replaced whole, tags are set. The
    environment, scripts, variables and resources count from the next start."""

    environment: EnvironmentReference | UnsetType | None = UNSET
    setup_scripts: SetupScripts | UnsetType = UNSET
    environment_variables: Variables | UnsetType = UNSET
    idle_minutes_before_shutdown: IdleMinutes | UnsetType | None = UNSET
    schedules: Schedules | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    tags: dict[Key, Text] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)
    resources: Resources | UnsetType = UNSET


class InstanceAccess(Struct, frozen=True):
    """The way in. `url` opens the server with its token: whoever has it is the instance's user."""

    name: str
    url: str
    base_url: str
    token: str


class InstanceFiles(Struct, frozen=True):
    """The working folder of an instance and what is in it: what its deletion removes."""

    name: str
    folder: str
    files: int
    bytes: int
