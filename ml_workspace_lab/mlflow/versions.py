"""The calls about versions of registered models."""

import json
import re
from contextlib import suppress

from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.ids import is_run_id
from ml_workspace_lab.mlflow import logged_models, paging, registered, validation
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.entities import Pair
from ml_workspace_lab.mlflow.prompts import asked_for
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.registry import check_name, no_version, stage_named, version_number
from ml_workspace_lab.mlflow.tag_lists import tag_list
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.models.logged_model import UpdateLoggedModel
from ml_workspace_lab.models.model import (
    ModelVersion,
    RegisterModel,
    SearchModels,
    SetStage,
    UpdateModelVersion,
)
from ml_workspace_lab.models.search import VERSIONS
from ml_workspace_lab.models.sources import address

MAX_RESULTS = 200_000
SOURCE_LENGTH = 65_535
VERSIONS_TAG = "mlflow.modelVersions"
_VERSION = re.compile(r"models:/(?P<name>[^/@]+)/(?P<version>[0-9]{1,9})")


class Create(Struct):
    name: str
    source: str
    run_id: str = ""
    model_id: str = ""
    run_link: str = ""
    tags: list[Pair] = field(default_factory=list)
    description: str = ""


class One(Struct):
    name: str
    version: str


class Update(Struct):
    name: str
    version: str
    description: str = ""


class Search(Struct):
    filter: str = ""
    max_results: int = 10_000
    order_by: list[str] = field(default_factory=list)
    page_token: str | None = None


class SetTag(Struct):
    name: str
    version: str
    key: str
    value: str = ""


class DeleteTag(Struct):
    name: str
    version: str
    key: str


class Transition(Struct):
    name: str
    version: str
    stage: str
    archive_existing_versions: bool


def create(request: Request) -> Response:
    call = body(request, Create)
    check_name(call.name)
    validation.check_length("source", call.source, SOURCE_LENGTH)
    tags = registered.tags(call.tags)
    try:
        request.connection.models.get(call.name)
    except (NotFound, InvalidInput):
        raise NotFound(f"Registered Model with name={call.name} not found", field="name") from None
    if call.model_id:
        _check_logged_model(request.connection, call)
    try:
        made = request.connection.models.register(
            call.name,
            RegisterModel(
                run_id=_run_of(request.connection, call),
                source=call.source,
                model_id=call.model_id or None,
                run_link=call.run_link,
                description=call.description,
                tags=tags,
            ),
        )
    except NotFound as error:
        raise InvalidInput(
            f"Invalid model version source: '{call.source}'. {error.message}", field="source"
        ) from None
    if made.model_id is not None:
        _tell_logged_model(request.connection, made)
    return answer(model_version=registered.version(made))


def get(request: Request) -> Response:
    return answer(model_version=registered.version(_named(request)))


def download_uri(request: Request) -> Response:
    """Where a client finds the files: here, or where the version says that they are."""
    found = _original(request.connection, _named(request))
    kept_here = found.files or found.source is None
    uri = address(found.name, found.version) if kept_here else found.source
    return answer(artifact_uri=uri)


def update(request: Request) -> Response:
    call = body(request, Update)
    return _changed(request, call, UpdateModelVersion(description=call.description))


def delete(request: Request) -> Response:
    found = _named(request)
    request.connection.models.delete(found.name, found.version)
    return NOTHING


def set_tag(request: Request) -> Response:
    call = body(request, SetTag)
    tags = registered.tags([Pair(call.key, call.value)])
    _changed(request, call, UpdateModelVersion(tags=tags))
    return NOTHING


def delete_tag(request: Request) -> Response:
    call = body(request, DeleteTag)
    validation.check_key(call.key, "key")
    _changed(request, call, UpdateModelVersion(remove_tags=[call.key]))
    return NOTHING


def transition(request: Request) -> Response:
    call = body(request, Transition)
    wanted = SetStage(stage_named(call.stage), call.archive_existing_versions)  # type: ignore[arg-type]
    found = find(request.connection, call.name, call.version)
    moved = request.connection.registry.move(found.name, found.version, wanted)
    return answer(model_version=registered.version(moved))


def search(request: Request) -> Response:
    call = body(request, Search)
    if not 1 <= call.max_results <= MAX_RESULTS:
        raise InvalidInput(
            "Invalid value for request parameter max_results. It must be at least 1 and at most"
            f" {MAX_RESULTS}, but got value {call.max_results}",
            field="max_results",
        )
    kind, wanted = asked_for(call.filter, VERSIONS)
    found, following = paging.gathered(
        lambda limit, token: request.connection.registry.versions(
            SearchModels(wanted, call.order_by, kind, limit, token)
        ),
        call.max_results,
        call.page_token,
    )
    shown = list(map(registered.version, found))
    return answer(model_versions=shown, next_page_token=following)


def _run_of(connection: LocalConnection, call: Create) -> str | None:
    """The run that a call names. One that isn't a run's id here is the source's own, or none; a
    copied version's may be gone."""
    if not call.run_id or _is_run_of_copied(connection, call):
        return None
    if is_run_id(call.run_id):
        return call.run_id
    if call.source.startswith(f"runs:/{call.run_id}/"):
        return None
    raise InvalidInput(f"Run with id={call.run_id[:80]} not found", field="run_id")


def _is_run_of_copied(connection: LocalConnection, call: Create) -> bool:
    copied = _VERSION.fullmatch(call.source)
    if copied is None:
        return False
    try:
        return find(connection, copied["name"], copied["version"]).run_id == call.run_id
    except NotFound:
        return False


def _original(connection: LocalConnection, found: ModelVersion) -> ModelVersion:
    """The version that this one, without files, is a copy of, as far as it is here."""
    seen = {(found.name, found.version)}  # Names may have been given to others since.
    while not found.files and (copied := _VERSION.fullmatch(found.source or "")):
        try:
            before = find(connection, copied["name"], copied["version"])
        except (NotFound, InvalidInput):
            return found
        if (before.name, before.version) in seen:
            return found
        seen.add((before.name, before.version))
        found = before
    return found


def _check_logged_model(connection: LocalConnection, call: Create) -> None:
    with suppress(NotFound, InvalidInput):
        if logged_models.find(connection, call.model_id).deleted is None:
            return
    raise InvalidInput(
        f"Invalid model version source: '{call.source}'. The model_id request parameter must"
        " identify the resource that contains the source.",
        field="model_id",
    )


def _tell_logged_model(connection: LocalConnection, made: ModelVersion) -> None:
    """Let the logged model say which versions were made of it, in the tag that clients read. It may
    be gone: the version has files of its own."""
    with suppress(NotFound, Conflict, InvalidInput):
        logged = logged_models.find(connection, made.model_id or "")
        known = tag_list(logged.tags, VERSIONS_TAG)
        told = {"name": made.name, "version": made.version}
        if told not in known:
            tags = {VERSIONS_TAG: json.dumps([*known, told])}
            connection.logged_models.update(logged.model_id, UpdateLoggedModel(tags=tags))


def _changed(
    request: Request, call: Update | SetTag | DeleteTag, change: UpdateModelVersion
) -> Response:
    found = find(request.connection, call.name, call.version)
    changed = request.connection.models.update(found.name, found.version, change)
    return answer(model_version=registered.version(changed))


def _named(request: Request) -> ModelVersion:
    call = body(request, One)
    return find(request.connection, call.name, call.version)


def find(connection: LocalConnection, name: str, version: str) -> ModelVersion:
    """Raises NotFound, and InvalidInput at what no version is called."""
    check_name(name)
    number = version_number(version)
    try:
        found: ModelVersion = connection.models.version(name, number)
    except (NotFound, InvalidInput):
        raise no_version(name, version) from None
    return found


CALLS = (
    ("POST", "model-versions/create", create),
    ("GET", "model-versions/get", get),
    ("GET", "model-versions/get-download-uri", download_uri),
    ("PATCH", "model-versions/update", update),
    ("DELETE", "model-versions/delete", delete),
    ("POST", "model-versions/set-tag", set_tag),
    ("DELETE", "model-versions/delete-tag", delete_tag),
    ("POST", "model-versions/transition-stage", transition),
    ("GET", "model-versions/search", search),
)
