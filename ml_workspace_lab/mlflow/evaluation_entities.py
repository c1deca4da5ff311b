"""Evaluation datasets, their records and scorers as the protocol shows them."""

import json
from collections.abc import Iterable
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.strict_json import convert, loads
from ml_workspace_lab.errors import InvalidInput, NotFound, shown
from ml_workspace_lab.evaluation.model import (
    EvaluationDataset,
    EvaluationRecord,
    PutRecord,
    RecordSource,
    SourceType,
)
from ml_workspace_lab.evaluation.scorer import ScorerSampling, ScorerVersion
from ml_workspace_lab.mlflow import lookup

T = TypeVar("T")

SOURCES: tuple[SourceType, ...] = get_args(SourceType)


class Dataset(Struct, frozen=True, omit_defaults=True):
    dataset_id: str
    name: str
    tags: str
    digest: str
    created_time: int
    last_update_time: int
    schema: str | None = None
    profile: str | None = None
    created_by: str | None = None
    last_updated_by: str | None = None
    experiment_ids: list[str] = field(default_factory=list)


class RecordIn(Struct, frozen=True):
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: Any | UnsetType = UNSET
    expectations: dict[str, Any] | None = None
    tags: dict[str, Any] | None = None
    source: dict[str, Any] | None = None


class SourceIn(Struct, frozen=True, forbid_unknown_fields=True):
    source_type: str
    source_data: dict[str, Any] | None = None


class Scorer(Struct, frozen=True):
    experiment_id: int
    scorer_name: str
    scorer_version: int
    serialized_scorer: str
    creation_time: int
    scorer_id: str


class Config(Struct, frozen=True, omit_defaults=True):
    online_scoring_config_id: str
    scorer_id: str
    sample_rate: float
    experiment_id: str
    filter_string: str | None = None


def dataset(info: EvaluationDataset) -> Dataset:
    return Dataset(
        dataset_id=info.dataset_id,
        name=info.name,
        tags=json.dumps(info.tags),
        digest=info.digest,
        created_time=info.created,
        last_update_time=info.updated,
        schema=None if info.fields is None else json.dumps(info.fields),
        profile=json.dumps({"num_records": info.records}) if info.records else None,
        created_by=info.created_by,
        last_updated_by=info.updated_by,
        experiment_ids=[str(number) for number in info.experiments.values()],
    )


def tags_in(text: str) -> dict[str, str]:
    """The tags of a JSON text; other values are kept as text, and those that are null left out."""
    given = inner(text, "tags", dict[str, Any])
    return {
        key: value if isinstance(value, str) else str(value)
        for key, value in given.items()
        if value is not None
    }


def records_in(text: str) -> list[PutRecord]:
    return [
        PutRecord(one.inputs, one.outputs, one.expectations, one.tags, _source_in(one.source))
        for one in inner(text, "records", list[RecordIn])
    ]


def record(one: EvaluationRecord, dataset_id: str) -> dict[str, Any]:
    source = None
    if one.source is not None:
        source = {"source_type": one.source.type, "source_data": one.source.data}
    shown_as = {
        "dataset_record_id": one.record_id,
        "dataset_id": dataset_id,
        "inputs": one.inputs,
        "outputs": one.outputs,
        "expectations": one.expectations,
        "tags": one.tags,
        "source": source,
        "source_id": _source_id(one.source),
        "source_type": None if one.source is None else one.source.type,
        "created_time": one.created,
        "last_update_time": one.updated,
        "created_by": one.created_by,
        "last_updated_by": one.updated_by,
    }
    return {name: value for name, value in shown_as.items() if value is not None}


def scorer(one: ScorerVersion) -> Scorer:
    return Scorer(
        one.experiment_number, one.name, one.version, one.content, one.created, one.scorer_id
    )


def config(one: ScorerSampling) -> Config:
    return Config(one.sampling_id, one.scorer_id, one.share, str(one.experiment_number), one.filter)


def experiments_in(connection: LocalConnection, experiment_ids: Iterable[str]) -> list[str]:
    """The names of these experiments, in the trash or not. Raises NotFound."""
    names = []
    for one in dict.fromkeys(experiment_ids):
        try:
            names.append(lookup.experiment(connection, one).name)
        except (InvalidInput, NotFound):  # What is no number is no experiment's.
            raise NotFound(
                f"No Experiment with id={one[:80]} exists", field="experiment_ids"
            ) from None
    return names


def inner(text: str, name: str, kind: type[T]) -> T:
    """What a JSON text in a field says. Raises InvalidInput naming the place in it."""
    try:
        return convert(loads(text.encode()), kind)
    except InvalidInput as error:
        place = "" if str(error).startswith("[") else ": "
        raise InvalidInput(f"{name}{place}{error}", field=name) from None


def _source_in(given: dict[str, Any] | None) -> RecordSource | None:
    if not given:
        return None
    try:
        source = msgspec.convert(given, SourceIn)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"records: the source of one: {error}.", field="records") from None
    kind = next((one for one in SOURCES if one == source.source_type.upper()), None)
    if kind is None:
        raise InvalidInput(
            f"Invalid dataset record source type: {shown(source.source_type)}. Valid source types:"
            f" {list(SOURCES)}",
            field="records",
        )
    return RecordSource(kind, source.source_data or {})


def _source_id(source: RecordSource | None) -> str | None:
    if source is None:
        return None
    found = source.data.get("trace_id" if source.type == "TRACE" else "source_id")
    return found if isinstance(found, str) else None
