"""The calls about registered models."""

from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.mlflow import registered, validation
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.entities import Pair
from ml_workspace_lab.mlflow.errors import AlreadyExists, missing
from ml_workspace_lab.mlflow.prompts import asked_for
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.models.model import (
    PROMPT_TAG,
    STAGES,
    CreateModel,
    ModelInfo,
    ModelVersion,
    SearchModels,
    SetAlias,
    UpdateModel,
)
from ml_workspace_lab.models.search import MODELS

MAX_RESULTS = 1000


class Create(Struct):
    name: str
    tags: list[Pair] = field(default_factory=list)
    description: str = ""


class ByName(Struct):
    name: str


class Rename(Struct):
    name: str
    new_name: str


class Update(Struct):
    name: str
    description: str = ""


class Search(Struct):
    filter: str = ""
    max_results: int = 100
    order_by: list[str] = field(default_factory=list)
    page_token: str | None = None


class Latest(Struct):
    name: str
    stages: list[str] = field(default_factory=list)


class SetTag(Struct):
    name: str
    key: str
    value: str = ""


class DeleteTag(Struct):
    name: str
    key: str


class NameAlias(Struct):
    name: str
    alias: str


class AliasFor(Struct):
    name: str
    alias: str
    version: str


def create(request: Request) -> Response:
    call = body(request, Create)
    check_name(call.name)
    tags = registered.tags(call.tags)
    try:
        info = request.connection.registry.create(CreateModel(call.name, call.description, tags))
    except Conflict:
        taken = _find(request.connection, call.name)
        raise _taken(taken.name, is_prompt=taken.tags.get(PROMPT_TAG) == "true") from None
    return answer(registered_model=registered.model(info, []))


def get(request: Request) -> Response:
    info = _find(request.connection, body(request, ByName).name)
    return answer(registered_model=registered.model(info, _latest(request.connection, info)))


def rename(request: Request) -> Response:
    call = body(request, Rename)
    check_name(call.new_name, "new_name")
    info = _find(request.connection, call.name)
    try:
        info = request.connection.registry.change(info.name, UpdateModel(name=call.new_name))
    except Conflict as error:
        if error.field == "name" and "already" in error.message:
            raise _taken(call.new_name, is_prompt=False) from None
        raise
    return answer(registered_model=registered.model(info, _latest(request.connection, info)))


def update(request: Request) -> Response:
    call = body(request, Update)
    change = UpdateModel(description=call.description)
    info = request.connection.registry.change(_find(request.connection, call.name).name, change)
    return answer(registered_model=registered.model(info, _latest(request.connection, info)))


def delete(request: Request) -> Response:
    request.connection.registry.remove(_find(request.connection, body(request, ByName).name).name)
    return NOTHING


def search(request: Request) -> Response:
    call = body(request, Search)
    if call.max_results > MAX_RESULTS:
        raise InvalidInput(
            f"Invalid value for request parameter max_results. It must be at most {MAX_RESULTS},"
            f" but got value {call.max_results}",
            field="max_results",
        )
    if call.max_results < 1:
        raise InvalidInput(
            f"Invalid value {call.max_results} for parameter 'max_results' supplied: it must be a"
            " positive integer",
            field="max_results",
        )
    kind, wanted = asked_for(call.filter, MODELS)
    asked = SearchModels(
        wanted, call.order_by, kind, call.max_results, after=call.page_token or None
    )
    found = request.connection.registry.search(asked)
    models = [registered.model(info, _latest(request.connection, info)) for info in found.items]
    return answer(registered_models=models, next_page_token=found.next)


def latest_versions(request: Request) -> Response:
    call = body(request, Latest)
    wanted = {stage_named(stage) for stage in call.stages} or set(STAGES)
    found = _latest(request.connection, _find(request.connection, call.name))
    return answer(model_versions=[registered.version(v) for v in found if v.stage in wanted])


def set_tag(request: Request) -> Response:
    call = body(request, SetTag)
    info = _find(request.connection, call.name)
    change = UpdateModel(tags=registered.tags([Pair(call.key, call.value)]))
    request.connection.registry.change(info.name, change)
    return NOTHING


def delete_tag(request: Request) -> Response:
    call = body(request, DeleteTag)
    validation.check_key(call.key, "key")
    info = _find(request.connection, call.name)
    if call.key in info.tags:
        request.connection.registry.change(info.name, UpdateModel(remove_tags=[call.key]))
    return NOTHING


def set_alias(request: Request) -> Response:
    call = body(request, AliasFor)
    _check_alias(call.alias)
    number = version_number(call.version)
    _find(request.connection, call.name)
    try:
        request.connection.registry.set_alias(call.name, call.alias, SetAlias(number))
    except NotFound:
        raise no_version(call.name, call.version) from None
    return NOTHING


def delete_alias(request: Request) -> Response:
    call = body(request, NameAlias)
    if call.alias in _find(request.connection, call.name).aliases:
        request.connection.registry.delete_alias(call.name, call.alias)
    return NOTHING


def get_by_alias(request: Request) -> Response:
    call = body(request, NameAlias)
    info = _find(request.connection, call.name)
    number = info.aliases.get(call.alias)
    if call.alias.lower() == "latest":
        if not info.versions:
            raise NotFound(f"Latest version not found for model {call.name}.", field="alias")
        number = info.latest_version
    if number is None:
        raise InvalidInput(f"Registered model alias {call.alias} not found.", field="alias")
    found = request.connection.models.version(call.name, number)
    return answer(model_version=registered.version(found))


def check_name(name: str, path: str = "name") -> None:
    """Raise InvalidInput where a model can't have this name, in the words that clients look for."""
    if not name.strip():
        raise missing(path)
    if "/" in name or ":" in name:
        raise InvalidInput(
            f"Invalid model name '{name}'. Names cannot contain '/' or ':'.", field=path
        )


def stage_named(word: str) -> str:
    """The stage that is written so, in whatever case."""
    for stage in STAGES:
        if stage.lower() == word.lower():
            return stage
    raise InvalidInput(
        f"Invalid Model Version stage: {word}. Value must be one of {', '.join(STAGES)}.",
        field="stage",
    )


def version_number(text: str) -> int:
    """Raises InvalidInput where the text is no number."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise InvalidInput(
            f"Parameter 'version' must be an integer, got '{text[:80]}'.", field="version"
        )
    return int(text)


def no_version(name: str, version: str) -> NotFound:
    return NotFound(f"Model Version (name={name}, version={version}) not found", field="version")


def _find(connection: LocalConnection, name: str) -> ModelInfo:
    check_name(name)
    try:
        found: ModelInfo = connection.models.get(name)
    except (NotFound, InvalidInput):  # A name that no model can have is none's.
        raise NotFound(f"Registered Model with name={name} not found", field="name") from None
    return found


def _latest(connection: LocalConnection, info: ModelInfo) -> list[ModelVersion]:
    found: list[ModelVersion] = connection.registry.latest(info.name).items if info.versions else []
    return found


def _check_alias(alias: str) -> None:
    if alias.lower() == "latest":
        raise InvalidInput("'latest' alias name (case insensitive) is reserved.", field="alias")
    if alias[:1].lower() == "v" and alias[1:].isdecimal():
        raise InvalidInput(f"Version alias name '{alias}' is reserved.", field="alias")


def _taken(name: str, *, is_prompt: bool) -> AlreadyExists:
    what = "Prompt" if is_prompt else "Registered Model"
    return AlreadyExists(f"{what} (name={name}) already exists.", field="name")


CALLS = (
    ("POST", "registered-models/create", create),
    ("GET", "registered-models/get", get),
    ("POST", "registered-models/rename", rename),
    ("PATCH", "registered-models/update", update),
    ("DELETE", "registered-models/delete", delete),
    ("GET", "registered-models/search", search),
    ("POST", "registered-models/get-latest-versions", latest_versions),
    ("GET", "registered-models/get-latest-versions", latest_versions),
    ("POST", "registered-models/set-tag", set_tag),
    ("DELETE", "registered-models/delete-tag", delete_tag),
    ("POST", "registered-models/alias", set_alias),
    ("DELETE", "registered-models/alias", delete_alias),
    ("GET", "registered-models/alias", get_by_alias),
)
