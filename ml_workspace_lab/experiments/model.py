"""What an experiment and a run are."""

from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from ml_workspace_lab.api.types import Int64, Key, Millis, Name, Number, RunId, Scalar, Text


class RunState(StrEnum):
    """The states of a run, with Azure Machine Learning's names."""

    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCEL_REQUESTED = "CancelRequested"
    CANCELED = "Canceled"
    NOT_RESPONDING = "NotResponding"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELED})

RunKind = Literal["interactive", "external", "notebook", "cell", "script", "command"]
"""`interactive` runs are owned by the process that logs to them; `external` ones are driven by
clients that only say when a run begins and ends (MLflow's)."""

View = Literal["active", "archived", "deleted", "all"]


class ExperimentInfo(Struct, frozen=True):
    """A named series of runs. `number` counts the workspace's experiments from 1."""

    experiment_id: str
    number: int
    name: str
    created: Millis
    updated: Millis
    run_count: int
    active_runs: int
    last_run: Millis | None
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    archived: Millis | None = None
    deleted: Millis | None = None


class ExperimentList(Struct, frozen=True):
    items: list[ExperimentInfo]


class CreateExperiment(Struct, frozen=True, forbid_unknown_fields=True):
    """`exclusive` refuses a name that is taken."""

    name: Name
    description: Text = ""
    tags: dict[Key, Text] = field(default_factory=dict)
    exclusive: bool = False


class UpdateExperiment(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; tags are set."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    tags: dict[Key, Text] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)


class MetricSummary(Struct, frozen=True, gc=False):
    """A metric at a glance. `last` is the value of the greatest step, then time; `min` and `max`
    leave NaN out and are None where nothing else came. Times are milliseconds."""

    count: int
    last: Number
    last_step: int
    last_time: int
    min: Number | None = None
    min_step: int | None = None
    max: Number | None = None
    max_step: int | None = None


class Bar(Struct, frozen=True):
    """A progress bar that a run's code shows now: `done` of `total` of whatever it counts."""

    label: str
    done: float
    total: float
    seconds_left: float | None = None


class Progress(Struct, frozen=True):
    """How far a run has come: `done` of `total` cells (0 of 0 where it has none), and the bar that
    its code shows beside."""

    done: int
    total: int
    label: str = ""
    bar: Bar | None = None


class RunInfo(Struct, frozen=True):
    """A run as it is at one moment. Times are milliseconds since 1970-01-01 UTC."""

    run_id: str
    number: int
    display_name: str
    experiment: str
    kind: RunKind
    state: RunState
    reason: str
    compute_target: str | None
    parent: str | None
    user: str
    created: Millis
    started: Millis | None
    ended: Millis | None
    snapshot_id: str | None
    notebook: str | None
    progress: Progress | None
    params: dict[str, Scalar]
    tags: dict[str, str]
    properties: dict[str, str]
    metrics: dict[str, MetricSummary]
    description: str = ""
    deleted: Millis | None = None


class RunList(Struct, frozen=True):
    """Runs, newest first; `next` is the `after` that asks for the part that follows."""

    items: list[RunInfo]
    next: str | None = None


class StartRun(Struct, frozen=True, forbid_unknown_fields=True):
    """A run whose caller does the work and ends it; `created` is when it began (default: now), and
    `user` on whose behalf (default: the caller; external runs only)."""

    run_id: RunId | None = None
    kind: Literal["interactive", "external"] = "interactive"
    created: Int64 | None = None
    user: Name | None = None
    display_name: Name | None = None
    parent: RunId | None = None
    params: dict[Key, Scalar] = field(default_factory=dict)
    tags: dict[Key, Text] = field(default_factory=dict)
    snapshot_id: str | None = None
    notebook: Text | None = None


class EndRun(Struct, frozen=True, forbid_unknown_fields=True):
    """How a run ended, and when (default: now)."""

    state: Literal["Completed", "Failed", "Canceled"] = "Completed"
    reason: Text = ""
    ended: Int64 | None = None


class UpdateRun(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: parameters and tags are set, properties only added (never overwritten).
    `new_params` refuses parameters that have another value already; a `parent` of null is none."""

    display_name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    parent: RunId | UnsetType | None = UNSET
    params: dict[Key, Scalar] = field(default_factory=dict)
    new_params: bool = False
    tags: dict[Key, Text] = field(default_factory=dict)
    properties: dict[Key, Text] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)


class StateChange(Struct, frozen=True):
    """One step in the life of a run."""

    state: RunState
    time: Millis
    reason: str


class MetricPoint(Struct, frozen=True, forbid_unknown_fields=True):
    """One value of a metric; without a step it takes the next one, without a time it is now."""

    name: Key
    value: Number
    step: Int64 | None = None
    time: Int64 | None = None


class LogMetrics(Struct, frozen=True, forbid_unknown_fields=True):
    """Points to add; where they are `unique`, one that the run has already is not added again."""

    points: list[MetricPoint]
    unique: bool = False


class JournalMark(Struct, frozen=True):
    """How many records of a journal the run has: what comes next begins there."""

    records: int


class MetricSeries(Struct, frozen=True):
    """The values of one metric in the order of their times."""

    name: str
    steps: list[int]
    times: list[int]
    values: list[Number]


class MetricSeriesList(Struct, frozen=True):
    items: list[MetricSeries]


class MetricPage(Struct, frozen=True):
    """Part of a series, and where the next part begins (None: this is the last)."""

    series: MetricSeries
    next: int | None


class ArtifactInfo(Struct, frozen=True):
    path: str
    size: int
    media_type: str
    created: Millis
    digest: str


class ArtifactList(Struct, frozen=True):
    items: list[ArtifactInfo]


class StateHistory(Struct, frozen=True):
    items: list[StateChange]


class RunDocument(Struct):
    """What a run's record holds beside its columns. `large` names attributes whose values are too
    long for it, as `kind:key` (`integer:key`: a parameter that is a whole number): they are read
    from where they are searched."""

    params: dict[str, Scalar] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    large: list[str] = field(default_factory=list)
