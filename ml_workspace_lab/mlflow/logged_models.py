"""The calls about logged models: what runs made, before anybody registers it."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import number_to_wire
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.mlflow import entities, logged_entities, lookup, names, validation
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.entities import Pair
from ml_workspace_lab.mlflow.errors import invalid, missing
from ml_workspace_lab.mlflow.lookup import active_experiment
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.models.logged_model import (
    AddModelMetrics,
    LoggedModelInfo,
    LogModel,
    ModelMetric,
    OnDataset,
    Order,
    SearchLoggedModels,
    UpdateLoggedModel,
)


class Create(Struct):
    experiment_id: str
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[Pair] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)


class Finalize(Struct):
    status: str | int


class Params(Struct):
    params: list[Pair] = field(default_factory=list)


class Tags(Struct):
    tags: list[Pair] = field(default_factory=list)


class OrderBy(Struct):
    field_name: str
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class Measured(Struct):
    dataset_name: str = ""
    dataset_digest: str = ""


class Search(Struct):
    experiment_ids: list[str]
    filter: str = ""
    datasets: list[Measured] = field(default_factory=list)
    max_results: int = 0
    order_by: list[OrderBy] = field(default_factory=list)
    page_token: str = ""


class Logged(Protocol):
    """A metric that a client logs of a model."""

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str
    dataset_name: str
    dataset_digest: str


def create(request: Request) -> Response:
    call = body(request, Create)
    validation.check_model_name(call.name)
    info = active_experiment(request.connection, call.experiment_id)
    made = request.connection.logged_models.create(
        LogModel(
            experiment=info.name,
            name=call.name or names.random_name(),
            model_type=call.model_type,
            **_maker(request.connection, call.source_run_id),
            params=entities.by_key(call.params),
            tags=entities.by_key(call.tags),
        )
    )
    return answer(model=logged_entities.model(made))


def get(request: Request) -> Response:
    deleted_too = request.query.get("allow_deleted", [""])[-1].lower() == "true"
    return answer(model=logged_entities.model(_find(request, deleted_too=deleted_too)))


def finalize(request: Request) -> Response:
    status = body(request, Finalize).status
    wanted = logged_entities.STATUSES.get(status)
    if wanted is None:
        raise invalid(
            "status", status, f"it must be one of {', '.join(logged_entities.WORDS.values())}."
        )
    return answer(model=logged_entities.model(_update(request, UpdateLoggedModel(status=wanted))))


def delete(request: Request) -> Response:
    request.connection.logged_models.delete(_find(request).model_id)
    return NOTHING


def set_tags(request: Request) -> Response:
    tags = entities.by_key(body(request, Tags).tags)
    _update(request, UpdateLoggedModel(tags=tags))
    return NOTHING


def delete_tag(request: Request) -> Response:
    key = request.path["key"]
    found = _find(request)
    if key not in found.tags:
        raise NotFound(f"No tag with key {key!r} found for model with ID {found.model_id!r}.")
    _update(request, UpdateLoggedModel(remove_tags=[key]))
    return NOTHING


def log_params(request: Request) -> Response:
    params = entities.by_key(body(request, Params).params)
    _update(request, UpdateLoggedModel(params=params))
    return NOTHING


def search(request: Request) -> Response:
    call = body(request, Search)
    if not call.experiment_ids:
        raise missing("experiment_ids")
    names_of_experiments = lookup.experiment_names(request.connection, call.experiment_ids)
    if not all(one.dataset_name for one in call.datasets):
        raise InvalidInput("`dataset_name` in the `datasets` clause must be specified.")
    page = request.connection.logged_models.search(
        SearchLoggedModels(
            experiments=names_of_experiments,
            filter=call.filter,
            datasets=[OnDataset(one.dataset_name, one.dataset_digest) for one in call.datasets],
            order_by=[_order(one) for one in call.order_by],
            limit=call.max_results or 50,
            after=call.page_token or None,
        )
    )
    return answer(
        models=[logged_entities.model(one) for one in page.items], next_page_token=page.next
    )


def add_metrics(connection: LocalConnection, run_id: str, metrics: Sequence[Logged]) -> None:
    """Keep metrics of a run that are of models too."""
    by_model: dict[str, list[ModelMetric]] = {}
    for one in metrics:
        by_model.setdefault(one.model_id, []).append(
            ModelMetric(
                name=one.key,
                value=number_to_wire(one.value),
                step=one.step,
                time=one.timestamp,
                run_id=run_id,
                dataset_name=one.dataset_name,
                dataset_digest=one.dataset_digest,
            )
        )
    for model_id, items in by_model.items():
        connection.logged_models.add_metrics(model_id, AddModelMetrics(items))


def find(
    connection: LocalConnection, model_id: str, *, deleted_too: bool = False
) -> LoggedModelInfo:
    """The model of that id, in the words that clients look for where it isn't there."""
    try:
        found = connection.logged_models.get(model_id)
    except (NotFound, InvalidInput):
        raise _no_model(model_id) from None
    if found.deleted is not None and not deleted_too:
        raise _no_model(model_id)
    return found


def _maker(connection: LocalConnection, run_id: str) -> dict[str, str]:
    """The run that made a model, or the id of one that is not here."""
    if not run_id:
        return {}
    try:
        return {"run_id": lookup.run(connection, run_id).run_id}
    except NotFound:
        return {"foreign_run": run_id}


def _find(request: Request, *, deleted_too: bool = False) -> LoggedModelInfo:
    return find(request.connection, request.path["model_id"], deleted_too=deleted_too)


def _update(request: Request, change: UpdateLoggedModel) -> LoggedModelInfo:
    found: LoggedModelInfo = request.connection.logged_models.update(
        _find(request).model_id, change
    )
    return found


def _no_model(model_id: str) -> NotFound:
    return NotFound(f"Logged model with ID '{model_id[:80]}' not found.", field="model_id")


def _order(one: OrderBy) -> Order:
    dataset = OnDataset(one.dataset_name, one.dataset_digest) if one.dataset_name else None
    return Order(one.field_name, not one.ascending, dataset)
