"""Experiments, runs and their parts as the protocol shows them."""

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from ml_workspace_lab.api.types import Number, Scalar, number_from_wire
from ml_workspace_lab.experiments.model import ExperimentInfo, RunInfo
from ml_workspace_lab.experiments.search.mirrored import (
    NAME,
    NOTE,
    NOTEBOOK,
    PARENT,
    SOURCE_NAME,
    SOURCE_TYPE,
    USER,
)
from ml_workspace_lab.experiments.search.runs import mlflow_word

Shown = float | str
LARGEST = 1.7976931348623157e308
"""What clients are shown for an infinity, which they send as text but can't read as such."""


class Pair(Struct, frozen=True, gc=False):
    key: str
    value: str = ""


class Experiment(Struct, frozen=True):
    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int
    creation_time: int
    tags: list[Pair]


class RunData(Struct, frozen=True):
    metrics: list["Metric"] = field(default_factory=list)
    params: list[Pair] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)


class Metric(Struct, frozen=True, omit_defaults=True, gc=False):
    key: str
    value: Shown
    timestamp: int
    step: int
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""
    run_id: str = ""


class Info(Struct, frozen=True, omit_defaults=True):
    run_id: str
    run_uuid: str
    run_name: str
    experiment_id: str
    user_id: str
    status: str
    start_time: int
    artifact_uri: str
    lifecycle_stage: str
    end_time: int | None = None


class Dataset(Struct, frozen=True, omit_defaults=True):
    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInput(Struct, frozen=True):
    dataset: Dataset
    tags: list[Pair] = field(default_factory=list)


class ModelInput(Struct, frozen=True):
    model_id: str


class ModelOutput(Struct, frozen=True):
    model_id: str
    step: int = 0


class Inputs(Struct, frozen=True, omit_defaults=True):
    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[ModelInput] = field(default_factory=list)


class Outputs(Struct, frozen=True, omit_defaults=True):
    model_outputs: list[ModelOutput] = field(default_factory=list)


class Run(Struct, frozen=True):
    info: Info
    data: RunData
    inputs: Inputs
    outputs: Outputs


def experiment(info: ExperimentInfo) -> Experiment:
    return Experiment(
        experiment_id=str(info.number),
        name=info.name,
        artifact_location=location(info.number),
        lifecycle_stage=stage(info.deleted),
        last_update_time=info.updated,
        creation_time=info.created,
        tags=pairs(_noted(info.tags, info.description)),
    )


def run_info(run: RunInfo, number: int) -> Info:
    """`number` is that of the run's experiment."""
    return Info(
        run_id=run.run_id,
        run_uuid=run.run_id,
        run_name=run.display_name,
        experiment_id=str(number),
        user_id=run.user,
        status=mlflow_word(run.state),
        start_time=run.created,
        artifact_uri=f"{location(number)}/{run.run_id}/artifacts",
        lifecycle_stage=stage(run.deleted),
        end_time=run.ended,
    )


def run_data(run: RunInfo) -> RunData:
    # A page of runs has thousands of them: a call for each would be a third of its time.
    return RunData(
        metrics=[
            Metric(
                key,
                last if type(last := one.last) is float and abs(last) <= LARGEST else shown(last),
                one.last_time,
                one.last_step,
            )
            for key, one in run.metrics.items()
        ],
        params=[
            Pair(key, value if type(value) is str else param(value))
            for key, value in run.params.items()
        ],
        tags=pairs(tags(run)),
    )


def tags(run: RunInfo) -> Mapping[str, str]:
    """The run's tags, with what the protocol says in tags and we in fields: see
    `experiments.search.mirrored`."""
    ours = {
        USER: run.user,
        PARENT: run.parent,
        SOURCE_NAME: run.notebook,
        SOURCE_TYPE: NOTEBOOK if run.notebook else None,
    }
    native = {} if run.kind == "external" else {k: value for k, value in ours.items() if value}
    return _noted({**native, **run.tags, NAME: run.display_name}, run.description)


def _noted(tags: Mapping[str, str], description: str) -> Mapping[str, str]:
    """Tags with the description as the note, whatever the note was before that was changed."""
    if description:
        return {**tags, NOTE: description}
    if tags.get(NOTE):
        return {key: value for key, value in tags.items() if key != NOTE}
    return tags


def pairs(items: Mapping[str, str]) -> list[Pair]:
    return [Pair(key, value) for key, value in items.items()]


def shown(value: Number) -> Shown:
    """The value of a metric as clients can read it."""
    if isinstance(value, float) and -LARGEST <= value <= LARGEST:
        return value
    number = number_from_wire(value)
    return "NaN" if math.isnan(number) else math.copysign(LARGEST, number)


def param(value: Scalar) -> str:
    return value if isinstance(value, str) else str(value)


def location(number: int) -> str:
    """Where the artifacts of an experiment are, as the protocol's clients know it."""
    return f"mlflow-artifacts:/{number}"


def stage(deleted: int | None) -> str:
    return "active" if deleted is None else "deleted"


def by_key(items: Iterable[Pair]) -> dict[str, str]:
    """Of equal keys the last counts."""
    return {item.key: item.value for item in items}
