"""The calls about artifacts: the proxy that clients use, and the ways of web pages."""

from io import BytesIO

from msgspec import Struct

from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.mlflow import entities, logged_entities, logged_models, versions
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.errors import NotOffered
from ml_workspace_lab.mlflow.lookup import active_run, experiment_of, run
from ml_workspace_lab.mlflow.reading import query
from ml_workspace_lab.mlflow.shelves import (
    OfLoggedModel,
    OfRun,
    OfVersion,
    Shelf,
    folder,
    safe,
    shelf,
)
from ml_workspace_lab.mlflow.wire import Request, Response

TEXTS = frozenset({"mlmodel", "mlproject"})
"""Names without an ending whose files are text."""


UPLOAD_LIMIT = 10 * 1024 * 1024
"""Up to here a page sends a file whole: it is read into memory."""


class OfRunCall(Struct):
    run_id: str
    path: str = ""


class Page(Struct):
    path: str = ""
    run_uuid: str = ""


class Directory(Struct):
    artifact_directory_path: str = ""


class ModelFile(Struct):
    artifact_file_path: str


class VersionFile(Struct):
    name: str
    version: str
    path: str


class Proxied(Struct):
    path: str = ""


class FileInfo(Struct, frozen=True, omit_defaults=True):
    path: str
    is_dir: bool
    file_size: int | None = None


def get(request: Request) -> Response:
    on, path = shelf(request.connection, request.path["path"])
    return _download(on, path)


def put(request: Request) -> Response:
    on, path = shelf(request.connection, request.path["path"])
    if not path:
        raise InvalidInput("Invalid path", field="path", hint="It names no file.")
    on.put(path, request.body)
    return NOTHING


def delete(request: Request) -> Response:
    """A file, or a folder with all that is in it."""
    on, path = shelf(request.connection, request.path["path"])
    for stored in on.list():
        if not path or stored.path == path or stored.path.startswith(f"{path}/"):
            on.delete(stored.path)
    return NOTHING


def list_proxied(request: Request) -> Response:
    """What is in a folder, each by its name alone."""
    on, path = shelf(request.connection, folder(query(request, Proxied).path))
    cut = len(path) + 1 if path else 0
    files = [FileInfo(one.path[cut:], one.is_dir, one.file_size) for one in _listed(on, path)]
    return answer(files=files)


def list_of_run(request: Request) -> Response:
    """What is in a folder of a run, each by its path from the run's root."""
    call = query(request, OfRunCall)
    path = folder(call.path)
    found = run(request.connection, call.run_id)
    number = experiment_of(request.connection, found).number
    root = entities.run_info(found, number).artifact_uri
    return answer(root_uri=root, files=_listed(OfRun(request.connection, found.run_id), path))


def list_of_model(request: Request) -> Response:
    path = folder(query(request, Directory).artifact_directory_path)
    info = logged_models.find(request.connection, request.path["model_id"])
    on = OfLoggedModel(request.connection, info.model_id)
    return answer(root_uri=logged_entities.location(info), files=_listed(on, path))


def get_of_run(request: Request) -> Response:
    call = query(request, OfRunCall)
    path = safe(call.path)
    return _download(OfRun(request.connection, run(request.connection, call.run_id).run_id), path)


def upload(request: Request) -> Response:
    """A small file from a page."""
    call = query(request, Page)
    if not call.run_uuid:
        raise InvalidInput("Request must specify run_uuid.", field="run_uuid")
    if not call.path:
        raise InvalidInput("Request must specify path.", field="path")
    path = safe(call.path)
    content = request.body.read(UPLOAD_LIMIT + 1)
    if not content:
        raise InvalidInput("Request must specify data.")
    if len(content) > UPLOAD_LIMIT:
        raise InvalidInput(
            "Artifact size is too large. Max size is 10MB.",
            hint="Put it to the artifact proxy, which takes files of any size.",
        )
    found = active_run(request.connection, call.run_uuid)
    OfRun(request.connection, found.run_id).put(path, BytesIO(content))
    return NOTHING


def not_offered(request: Request) -> Response:  # noqa: ARG001 - whatever is asked
    raise NotOffered("Downloads by other addresses are not offered: ask for ranges of the file.")


def file_of_model(request: Request) -> Response:
    path = safe(query(request, ModelFile).artifact_file_path)
    info = logged_models.find(request.connection, request.path["model_id"])
    return _download(OfLoggedModel(request.connection, info.model_id), path)


def file_of_version(request: Request) -> Response:
    call = query(request, VersionFile)
    path = safe(call.path)
    found = versions.find(request.connection, call.name, call.version)
    return _download(OfVersion(request.connection, found.name, found.version), path)


def download(content: Content) -> Response:
    """A file, with the type that its name tells; browsers keep it and show nothing of it."""
    is_text = content.filename.lower() in TEXTS
    media_type = "text/plain" if is_text else content.media_type
    return Response(200, {"Content-Type": media_type}, content)


def _download(on: Shelf, path: str) -> Response:
    if not path:
        raise NotFound("This is a folder and no file.", field="path")
    return download(on.get(path))


def _listed(on: Shelf, path: str) -> list[FileInfo]:
    """Files and folders directly in the folder `path`."""
    start = f"{path}/" if path else ""
    found: dict[str, FileInfo] = {}
    for stored in on.list():
        if stored.path.startswith(start):
            name, slash, _ = stored.path[len(start) :].partition("/")
            full = start + name
            found[full] = FileInfo(full, True) if slash else FileInfo(full, False, stored.size)
    return [found[full] for full in sorted(found)]
