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

RunKind = Literal["interactive", "notebook", "cell", "script", "command"]


class ExperimentInfo(Struct, frozen=True):
    """A named series of runs."""

    experiment_id: str
    name: str
    created: Millis
    run_count: int
    active_runs: int
    last_run: Millis | None
    description: str = ""


class ExperimentList(Struct, frozen=True):
    items: list[ExperimentInfo]


class CreateExperiment(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    description: Text = ""


class MetricSummary(Struct, frozen=True):
    """A metric at a glance; `min` and `max` leave NaN out and are None where nothing else came."""

    count: int
    last: Number
    last_step: int
    min: Number | None
    max: Number | None


class Progress(Struct, frozen=True):
    """How far a run has come: `done` of `total` cells or steps."""

    done: int
    total: int
    label: str = ""


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


class RunList(Struct, frozen=True):
    """Runs, newest first; `next` is the `after` that asks for the part that follows."""

    items: list[RunInfo]
    next: str | None = None


class StartRun(Struct, frozen=True, forbid_unknown_fields=True):
    """An interactive run: the caller does the work and ends it."""

    run_id: RunId | None = None
    display_name: Name | None = None
    parent: RunId | None = None
    tags: dict[Key, Text] = field(default_factory=dict)
    snapshot_id: str | None = None
    notebook: Text | None = None


class EndRun(Struct, frozen=True, forbid_unknown_fields=True):
    state: Literal["Completed", "Failed", "Canceled"] = "Completed"
    reason: Text = ""


class UpdateRun(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: parameters and tags are set, properties only added (never overwritten)."""

    display_name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    params: dict[Key, Scalar] = field(default_factory=dict)
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
    points: list[MetricPoint]


class MetricSeries(Struct, frozen=True):
    """The values of one metric in the order in which they were logged."""

    name: str
    steps: list[int]
    times: list[Millis]
    values: list[Number]


class MetricSeriesList(Struct, frozen=True):
    items: list[MetricSeries]


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
