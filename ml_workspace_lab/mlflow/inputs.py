"""What runs read and made: datasets and logged models."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.lineage import AddLineage, LineageEntry, LineageItem, RunIds
from ml_workspace_lab.mlflow import entities, lookup, validation
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.entities import (
    Dataset,
    DatasetInput,
    Inputs,
    ModelInput,
    ModelOutput,
    Outputs,
)
from ml_workspace_lab.mlflow.lookup import active_run
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response

CONTEXT = "mlflow.data.context"
SEARCHED = 20
"""Experiments that are searched for datasets at once."""


class LogInputs(Struct):
    run_id: str
    datasets: list[DatasetInput] = field(default_factory=list)
    models: list[ModelInput] = field(default_factory=list)


class LogOutputs(Struct):
    run_id: str
    models: list[ModelOutput]


class SearchDatasets(Struct):
    experiment_ids: list[str] = field(default_factory=list)


class Summary(Struct, frozen=True, omit_defaults=True):
    experiment_id: str
    name: str
    digest: str
    context: str = ""


def log_inputs(request: Request) -> Response:
    call = body(request, LogInputs)
    for index, given in enumerate(call.datasets):
        validation.check_dataset(given.dataset, given.tags, f"datasets[{index}]")
    found = active_run(request.connection, call.run_id)
    known = {
        (one.name, one.digest)
        for one in request.connection.lineage.of_run(found.run_id).items
        if one.direction == "input" and one.kind == "dataset"
    }
    items = [LineageItem("input", "model", model.model_id) for model in call.models]
    for given in call.datasets:
        key = given.dataset.name, given.dataset.digest
        if key not in known:
            known.add(key)
            items.append(_dataset_item(given))
    request.connection.lineage.add(found.run_id, AddLineage(items))
    return NOTHING


def log_outputs(request: Request) -> Response:
    call = body(request, LogOutputs)
    found = active_run(request.connection, call.run_id)
    items = [
        LineageItem("output", "model", model.model_id, data={"step": model.step})
        for model in call.models
    ]
    request.connection.lineage.add(found.run_id, AddLineage(items))
    return NOTHING


def search_datasets(request: Request) -> Response:
    ids = body(request, SearchDatasets).experiment_ids
    if not ids:
        raise InvalidInput("SearchDatasets request must specify at least one experiment_id.")
    if len(ids) > SEARCHED:
        raise InvalidInput(
            f"SearchDatasets request cannot specify more than {SEARCHED} experiment_ids. Received"
            f" {len(ids)} experiment_ids."
        )
    found: dict[Summary, None] = {}
    for experiment_id in ids:
        info = lookup.experiment(request.connection, experiment_id)
        for one in request.connection.lineage.of_experiment(
            info.name, kind="dataset", direction="input"
        ).items:
            summary = Summary(str(info.number), one.name, one.digest, one.context)
            found[summary] = None
    return answer(dataset_summaries=list(found))


def of_runs(connection: LocalConnection, run_ids: Sequence[str]) -> list[tuple[Inputs, Outputs]]:
    """What each of the runs read and made."""
    entries: dict[str, list[LineageEntry]] = {}
    for one in connection.lineage.of_runs(RunIds(list(run_ids))).items:
        entries.setdefault(one.run_id, []).append(one)
    nothing = _links([])  # as most runs have, on pages of hundreds
    return [_links(entries[one]) if one in entries else nothing for one in run_ids]


def _links(entries: Sequence[LineageEntry]) -> tuple[Inputs, Outputs]:
    read = [one for one in entries if one.direction == "input"]
    return (
        Inputs(
            [_dataset(one) for one in read if one.kind == "dataset"],
            [ModelInput(one.name) for one in read if one.kind == "model"],
        ),
        Outputs(
            [
                ModelOutput(one.name, _step(one.data))
                for one in entries
                if one.direction == "output" and one.kind == "model"
            ]
        ),
    )


def _dataset_item(given: DatasetInput) -> LineageItem:
    tags = entities.by_key(given.tags)
    data = {
        name: text
        for name in ("source_type", "source", "schema", "profile")
        if (text := getattr(given.dataset, name)) is not None
    }
    return LineageItem(
        direction="input",
        kind="dataset",
        name=given.dataset.name,
        digest=given.dataset.digest,
        context=tags.pop(CONTEXT, ""),
        data={**data, "tags": tags},
    )


def _dataset(one: LineageEntry) -> DatasetInput:
    data = _texts(one.data)
    dataset = Dataset(
        name=one.name,
        digest=one.digest,
        source_type=data.get("source_type", ""),
        source=data.get("source", ""),
        schema=data.get("schema"),
        profile=data.get("profile"),
    )
    tags = one.data.get("tags")
    context = {CONTEXT: one.context} if one.context else {}
    shown = _texts(tags) if isinstance(tags, dict) else {}
    return DatasetInput(dataset, entities.pairs({**shown, **context}))


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    """What is kept, as texts: `run.log_input` takes any JSON, and clients read texts alone."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in data.items()
        if value is not None
    }


def _step(data: Mapping[str, Any]) -> int:
    step = data.get("step")
    return step if type(step) is int and -(2**63) <= step < 2**63 else 0
