"""The calls that log: metrics, parameters and tags, one by one and in batches."""

import json
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Int64
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, Unavailable
from ml_workspace_lab.experiments.ids import is_run_id
from ml_workspace_lab.experiments.model import RunInfo, UpdateRun
from ml_workspace_lab.experiments.search.mirrored import NAME, NOTE, PARENT
from ml_workspace_lab.mlflow import entities, logged_models, lookup, validation
from ml_workspace_lab.mlflow.answers import NOTHING
from ml_workspace_lab.mlflow.entities import Pair
from ml_workspace_lab.mlflow.lookup import active_run
from ml_workspace_lab.mlflow.reading import Plain, body
from ml_workspace_lab.mlflow.tag_lists import tag_list
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.mlflow.writers import WRITERS
from ml_workspace_lab.storage.journal import JournalWriter

HISTORY = "mlflow.log-model.history"
MODEL_FIELDS = frozenset({"artifact_path", "flavors", "utc_time_created", "run_id"})


class LogMetric(Struct, gc=False):
    run_id: str
    key: str
    value: float
    timestamp: Int64
    step: Int64 = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class BatchMetric(Struct, gc=False):
    key: str
    value: float
    timestamp: Int64
    step: Int64 = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class LogBatch(Struct):
    run_id: str
    metrics: list[BatchMetric] = field(default_factory=list)
    params: list[Pair] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)


class PlainMetric(Struct, gc=False, forbid_unknown_fields=True):
    key: str
    value: float
    timestamp: Int64
    step: Int64


class PlainBatch(Struct, forbid_unknown_fields=True):
    """A batch of metrics alone, as clients send it that log much."""

    params: ClassVar[Sequence[Pair]] = ()
    tags: ClassVar[Sequence[Pair]] = ()

    run_id: Annotated[str, Meta(min_length=1)]
    metrics: list[PlainMetric]


PLAIN_BATCH = Plain(
    msgspec.json.Decoder(PlainBatch, strict=False), lambda batch: 2 + 4 * len(batch.metrics)
)


class LogPair(Struct):
    run_id: str
    key: str
    value: str = ""


class DeleteTag(Struct):
    run_id: str
    key: str


class LogModel(Struct):
    run_id: str
    model_json: str


def log_metric(request: Request) -> Response:
    call = body(request, LogMetric)
    validation.check_key(call.key, "name", "Metric name")
    validation.check_time(call.timestamp, "timestamp")
    _append(request.connection, call.run_id, [call])
    return NOTHING


def log_batch(request: Request) -> Response:
    call = body(request, LogBatch, PLAIN_BATCH)
    validation.check_run_id(call.run_id)
    _check(call)
    if call.params or call.tags or not call.metrics:
        found = active_run(request.connection, call.run_id)
        _set(request.connection, found, call.params, call.tags)
    _append(request.connection, call.run_id, call.metrics)
    return NOTHING


def log_param(request: Request) -> Response:
    call = body(request, LogPair)
    validation.check_key(call.key, "key", "Param key")
    found = active_run(request.connection, call.run_id)
    _set(request.connection, found, [Pair(call.key, call.value)], [])
    return NOTHING


def set_tag(request: Request) -> Response:
    call = body(request, LogPair)
    validation.check_key(call.key, "key")
    found = active_run(request.connection, call.run_id)
    _set(request.connection, found, [], [Pair(call.key, call.value)])
    return NOTHING


def delete_tag(request: Request) -> Response:
    call = body(request, DeleteTag)
    found = active_run(request.connection, call.run_id)
    if call.key not in entities.tags(found):
        raise NotFound(f"No tag with name: {call.key} in run with id {call.run_id}", field="key")
    if call.key not in found.tags and call.key not in (NOTE, PARENT):
        raise InvalidInput(
            f"{call.key} tells what the workspace knows of the run {call.run_id}, and stays.",
            field="key",
        )
    change = UpdateRun(
        description="" if call.key == NOTE else UNSET,
        parent=None if call.key == PARENT else UNSET,
        remove_tags=[call.key],
    )
    request.connection.runs.update(call.run_id, change)
    return NOTHING


def log_model(request: Request) -> Response:
    """Older clients tell of a model in a tag, which grows with each."""
    call = body(request, LogModel)
    try:
        model = json.loads(call.model_json)
    except (ValueError, RecursionError):
        raise InvalidInput(
            "Malformed model info: it is not valid JSON.", field="model_json"
        ) from None
    if not isinstance(model, dict):
        raise InvalidInput("Malformed model info: it must be a JSON object.", field="model_json")
    lacking = MODEL_FIELDS.difference(model)
    if lacking:
        raise InvalidInput(
            f"Model json is missing mandatory fields: {sorted(lacking)}", field="model_json"
        )
    found = active_run(request.connection, call.run_id)
    known = [*tag_list(found.tags, HISTORY), model]
    request.connection.runs.update(call.run_id, UpdateRun(tags={HISTORY: json.dumps(known)}))
    return NOTHING


def _check(batch: LogBatch | PlainBatch) -> None:
    metrics: Sequence[BatchMetric | PlainMetric] = batch.metrics
    usual = all(map(validation.is_usual, {metric.key for metric in metrics}))
    for index, metric in enumerate(metrics):
        if metric.timestamp < 0 or not usual:
            validation.check_key(metric.key, f"metrics[{index}].name", "Metric name")
            validation.check_time(metric.timestamp, f"metrics[{index}].timestamp")
    for index, param in enumerate(batch.params):
        validation.check_key(param.key, f"params[{index}].key", "Param key")
    for index, tag in enumerate(batch.tags):
        validation.check_key(tag.key, f"tags[{index}].key")
    validation.check_batch(metrics=metrics, params=batch.params, tags=batch.tags)
    validation.check_unique(param.key for param in batch.params)


def _append(
    connection: LocalConnection,
    run_id: str,
    metrics: Sequence[LogMetric | BatchMetric | PlainMetric],
) -> None:
    if not metrics:
        return
    writer = _writer(connection, run_id)
    of_models = [
        metric for metric in metrics if not isinstance(metric, PlainMetric) and metric.model_id
    ]
    if of_models:
        logged_models.add_metrics(connection, run_id, of_models)
    append = writer.append
    for metric in metrics:
        try:
            append(metric.key, metric.value, metric.step, metric.timestamp)
        except Unavailable:  # Closed meanwhile: the run ended, or others needed the room.
            append = _writer(connection, run_id).append
            append(metric.key, metric.value, metric.step, metric.timestamp)


def _writer(connection: LocalConnection, run_id: str) -> JournalWriter:
    """The run's journal. What is wrong with the run is said in the words that clients look for."""
    if not is_run_id(run_id):
        raise lookup.no_run(run_id)
    try:
        return WRITERS.of(connection, run_id)
    except (Conflict, NotFound) as error:
        lookup.active_run(connection, run_id)
        raise InvalidInput(str(error), field="run_id") from None


def _set(
    connection: LocalConnection, found: RunInfo, params: Sequence[Pair], tags: Sequence[Pair]
) -> None:
    """Set parameters and tags of a run: all, or none where a parameter has another value."""
    wanted, tagged = entities.by_key(params), entities.by_key(tags)
    new = {key: value for key, value in wanted.items() if key not in found.params}
    for key in wanted.keys() - new.keys():
        _check_same(found, key, wanted[key])
    if tagged.get(NAME):
        validation.check_run_name(tagged[NAME], NAME)
    change = UpdateRun(
        display_name=tagged.get(NAME) or UNSET,
        description=tagged.get(NOTE, UNSET),
        parent=lookup.parent_in(connection, tagged) or UNSET,
        params=dict(new),
        new_params=True,
        tags=tagged,
    )
    try:
        connection.runs.update(found.run_id, change)
    except Conflict as error:
        raise InvalidInput(f"Changing param values is not allowed. {error}") from None


def _check_same(found: RunInfo, key: str, value: str) -> None:
    present = entities.param(found.params[key])
    if present != value:
        raise InvalidInput(
            f"Changing param values is not allowed. Param with key='{key}' was already logged with"
            f" value='{present[:200]}' for run ID='{found.run_id}'. Attempted logging new value"
            f" '{value[:200]}'.",
            field="value",
        )
