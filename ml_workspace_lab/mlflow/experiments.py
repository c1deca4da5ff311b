"""The calls about experiments."""

from msgspec import Struct, field

from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.model import (
    CreateExperiment,
    ExperimentInfo,
    UpdateExperiment,
)
from ml_workspace_lab.experiments.search.mirrored import NOTE
from ml_workspace_lab.mlflow import entities, validation
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.entities import Pair
from ml_workspace_lab.mlflow.errors import AlreadyExists
from ml_workspace_lab.mlflow.lookup import active_experiment, experiment
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response


class Create(Struct):
    name: str
    artifact_location: str = ""
    tags: list[Pair] = field(default_factory=list)


class ById(Struct):
    experiment_id: str


class ByName(Struct):
    experiment_name: str


class Rename(Struct):
    experiment_id: str
    new_name: str


class SetTag(Struct):
    experiment_id: str
    key: str
    value: str = ""


class DeleteTag(Struct):
    experiment_id: str
    key: str


def create(request: Request) -> Response:
    call = body(request, Create)
    validation.check_length("name", call.name, validation.EXPERIMENT_NAME)
    for tag in call.tags:
        _check_tag(tag.key, tag.value)
    if call.artifact_location:
        raise InvalidInput(
            "artifact_location: artifacts are kept by the workspace.",
            field="artifact_location",
            hint="Leave it out.",
        )
    tags = entities.by_key(call.tags)
    wanted = CreateExperiment(call.name, tags.get(NOTE, ""), tags, exclusive=True)
    try:
        info = request.connection.experiments.create(wanted)
    except Conflict:
        raise _taken(call.name) from None
    return answer(experiment_id=str(info.number))


def get(request: Request) -> Response:
    info = experiment(request.connection, body(request, ById).experiment_id)
    return answer(experiment=entities.experiment(info))


def get_by_name(request: Request) -> Response:
    name = body(request, ByName).experiment_name
    if name == "Default":
        return answer(experiment=entities.experiment(experiment(request.connection, "0")))
    try:
        info = request.connection.experiments.get(name)
    except (NotFound, InvalidInput):  # A name that no experiment can have is none's.
        message = f"Could not find experiment with name '{name}'"
        raise NotFound(message, field="experiment_name") from None
    return answer(experiment=entities.experiment(info))


def update(request: Request) -> Response:
    call = body(request, Rename)
    validation.check_length("name", call.new_name, validation.EXPERIMENT_NAME)
    info = experiment(request.connection, call.experiment_id)
    if info.deleted is not None:
        raise InvalidInput("Cannot rename a non-active experiment.", field="experiment_id")
    try:
        request.connection.experiments.update(info.name, UpdateExperiment(name=call.new_name))
    except Conflict:
        raise _taken(call.new_name) from None
    return NOTHING


def delete(request: Request) -> Response:
    info = _in_stage(request, deleted=False)
    request.connection.experiments.delete(info.name)
    return NOTHING


def restore(request: Request) -> Response:
    info = _in_stage(request, deleted=True)
    request.connection.experiments.restore(info.name)
    return NOTHING


def set_tag(request: Request) -> Response:
    call = body(request, SetTag)
    _check_tag(call.key, call.value)
    info = active_experiment(request.connection, call.experiment_id)
    change = UpdateExperiment(tags={call.key: call.value})
    if call.key == NOTE:
        change = UpdateExperiment(description=call.value, tags=change.tags)
    request.connection.experiments.update(info.name, change)
    return NOTHING


def delete_tag(request: Request) -> Response:
    call = body(request, DeleteTag)
    info = active_experiment(request.connection, call.experiment_id)
    if call.key not in info.tags and not (call.key == NOTE and info.description):
        raise NotFound(
            f"No tag with name: {call.key} in experiment with id {info.number}", field="key"
        )
    change = UpdateExperiment(remove_tags=[call.key])
    if call.key == NOTE:
        change = UpdateExperiment(description="", remove_tags=[call.key])
    request.connection.experiments.update(info.name, change)
    return NOTHING


def _in_stage(request: Request, *, deleted: bool) -> ExperimentInfo:
    """The experiment that a call names, if it is in the trash or not, as the call needs it."""
    info = experiment(request.connection, body(request, ById).experiment_id)
    if (info.deleted is not None) is not deleted:
        raise NotFound(f"No Experiment with id={info.number} exists", field="experiment_id")
    return info


def _check_tag(key: str, value: str) -> None:
    validation.check_key(key, "key")
    validation.check_length("value", value, validation.EXPERIMENT_TAG)


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"Experiment(name={name}) already exists.", field="name")
