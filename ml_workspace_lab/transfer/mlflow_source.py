"""What an MLflow store holds, whatever kind of store it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from ml_workspace_lab.experiments.points import Arrays
from ml_workspace_lab.transfer.report import NotMapped


class SourceExperiment(Struct):
    """Times are milliseconds; None where the store doesn't know."""

    id: str
    name: str
    deleted: bool = False
    created: int | None = None
    updated: int | None = None
    tags: dict[str, str] = field(default_factory=dict)


class SourceInput(Struct):
    """A dataset or logged model that a run read or made."""

    direction: str
    kind: str
    name: str
    digest: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class SourceRun(Struct):
    """A run; `latest` is what the store says of each metric: value, step, time."""

    id: str
    experiment: str
    status: str
    name: str = ""
    user: str = ""
    start: int | None = None
    end: int | None = None
    deleted: bool = False
    deleted_time: int | None = None
    artifact_uri: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Arrays] = field(default_factory=dict)
    latest: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    inputs: list[SourceInput] = field(default_factory=list)


class SourceMetric(Struct):
    """A value that was measured of a logged model."""

    name: str
    value: float
    step: int
    time: int
    run: str | None
    dataset_name: str = ""
    dataset_digest: str = ""


class SourceModel(Struct):
    """A logged model."""

    id: str
    name: str
    status: str
    created: int
    updated: int
    model_type: str = ""
    status_message: str = ""
    deleted: bool = False
    run: str | None = None
    artifact_uri: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[SourceMetric] = field(default_factory=list)


class SourceVersion(Struct):
    """A version of a registered model."""

    version: int
    created: int
    updated: int
    description: str = ""
    user: str = ""
    stage: str = "None"
    source: str = ""
    location: str = ""
    run: str = ""
    run_link: str = ""
    status: str = "READY"
    tags: dict[str, str] = field(default_factory=dict)


class SourceRegistered(Struct):
    """A registered model."""

    name: str
    created: int
    updated: int
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    versions: list[SourceVersion] = field(default_factory=list)


class SourceThing(Struct):
    """A trace, an issue or what else an experiment has beside its runs: `values` are those of its
    record, as yet unchecked. Its files lie at `artifact_uri`."""

    id: str
    values: dict[str, Any]
    artifact_uri: str = ""


class Source(Protocol):
    """A store that can be read."""

    def experiments(self) -> list[SourceExperiment]: ...

    def run_ids(self, experiment: str) -> Sequence[str]:
        """All runs of an experiment, deleted ones too, the oldest first."""
        ...

    def runs(self, ids: Sequence[str]) -> list[SourceRun]:
        """These runs, whole."""
        ...

    def logged_models(self, experiment: str) -> list[SourceModel]: ...

    def registered_models(self) -> list[SourceRegistered]: ...

    def belongings(self, experiment: str) -> Mapping[str, Sequence[str]]:
        """What an experiment has beside its runs: ids by the field of their kind, the oldest
        first."""
        ...

    def things(self, field: str, experiment: str, ids: Sequence[str]) -> list[SourceThing]:
        """These belongings of that kind, whole."""
        ...

    def others(self) -> Iterator[tuple[str, int]]:
        """What else there is that is not taken, and how many of it."""
        ...

    def unread(self) -> list[NotMapped]:
        """What was not or could not be read up to now, but for runs that `runs` refused."""
        ...
