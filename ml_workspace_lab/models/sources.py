"""Where a version is made from: a URI, and the files that it names in this workspace."""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput, NotFound, shown
from ml_workspace_lab.experiments.ids import is_run_id
from ml_workspace_lab.models import store
from ml_workspace_lab.models.model import STAGES, ModelFile, ModelVersion
from ml_workspace_lab.storage.database import Queries
from ml_workspace_lab.storage.paths import relative

if TYPE_CHECKING:
    from ml_workspace_lab.services import Services


class Source(Struct, frozen=True):
    """What a URI leads to. Without files it lies elsewhere, or nothing is there yet."""

    uri: str
    files: tuple[ModelFile, ...] = ()
    run_id: str | None = None
    model_id: str | None = None

    @property
    def is_of_run(self) -> bool:
        """Whether a run is named as runs are here. Any other name is that of no run whose files
        could be meant, and contradicts none."""
        return self.run_id is not None and is_run_id(self.run_id)


_LOGGED = r"(?P<model>m-[0-9a-f]{32})"
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("run", r"runs:/(?P<run>[^/]+)(?:/(?P<path>.*))?"),
    ("logged", rf"models:/{_LOGGED}(?:/(?P<path>.+))?"),
    ("version", r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/]+)|@(?P<alias>[^/]+))"),
    ("logged", rf"mlflow-artifacts:/\d+/models/{_LOGGED}/artifacts(?:/(?P<path>.*))?"),
    ("run", r"mlflow-artifacts:/\d+/(?P<run>[0-9a-f]{32})/artifacts(?:/(?P<path>.*))?"),
    ("kept", r"mlflow-artifacts:/models/(?P<name>[^/]+)/(?P<version>\d+)"),
)
_KINDS = tuple((kind, re.compile(pattern)) for kind, pattern in _PATTERNS)
_ELSEWHERE = re.compile(r"(?!(?i:file):)[A-Za-z][A-Za-z0-9+.-]+:/.+", re.DOTALL)


def resolve(services: "Services", queries: Queries, uri: str, *, is_prompt: bool) -> Source:
    """What a source names. Raises InvalidInput at a path of some machine, which nobody reads for
    a caller, and NotFound where a model that it names isn't there."""
    if is_prompt:
        return Source(uri)
    _check_safe(uri)
    for kind, pattern in _KINDS:
        if found := pattern.fullmatch(uri):
            given = {name: text or "" for name, text in found.groupdict().items()}
            return _READERS[kind](services, queries, uri, given)
    if _ELSEWHERE.fullmatch(uri):
        return Source(uri)
    raise _refusal(
        uri,
        "To use a local path as a model version source is not possible, since no artifacts of this"
        " workspace lie at one; log the model to a run and name that.",
    )


def address(name: str, version: int) -> str:
    """Where clients of the artifact proxy find the files of a version. Letters that a URI could
    not carry are spelled `=XX`, since `%XX` is decoded more than once on some ways."""
    return f"mlflow-artifacts:/models/{spelled(name)}/{version}"


def spelled(name: str) -> str:
    return quote(name, safe="").replace("%", "=")


def unspelled(text: str) -> str:
    return unquote(text.replace("=", "%"))


def below(files: Iterable[ModelFile], path: str) -> tuple[ModelFile, ...]:
    """The file of that path, or those in that folder, by their names in it."""
    if not path:
        return tuple(files)
    found = (
        (file.path.rpartition("/")[2] if file.path == path else file.path[len(path) + 1 :], file)
        for file in files
        if file.path == path or file.path.startswith(path + "/")
    )
    return tuple(ModelFile(name, file.digest, file.size) for name, file in found)


def _check_safe(uri: str) -> None:
    plain = uri
    while (decoded := unquote(plain)) != plain:
        plain = decoded
    if "\x00" in plain or ".." in re.split(r"[/\\]", plain):
        raise _refusal(
            uri,
            "If supplying a source as an http, https, mlflow-artifacts or object store URI, it must"
            " be absolute, without parts that lead upwards.",
        )


def _of_run(services: "Services", queries: Queries, uri: str, given: dict[str, str]) -> Source:
    run_id, path = given["run"], _path(given["path"])
    try:
        artifacts = services.artifacts.list(run_id).items
    except NotFound:
        return Source(uri, run_id=run_id)
    files = below((ModelFile(a.path, a.digest, a.size) for a in artifacts), path)
    logged = None if files else _newest_logged(queries, run_id, path)
    if logged is None:
        return Source(uri, files, run_id)
    return Source(uri, _files_of_logged(queries, logged), run_id, logged)


def _of_logged(services: "Services", queries: Queries, uri: str, given: dict[str, str]) -> Source:  # noqa: ARG001 - one shape for all
    model_id = given["model"]
    row = queries.one(
        "SELECT run FROM logged_model WHERE uid = :uid AND deleted IS NULL", uid=model_id
    )
    if row is None:
        raise NotFound(f"There is no logged model {model_id}.", field="source")
    files = below(_files_of_logged(queries, model_id), _path(given["path"]))
    return Source(uri, files, row["run"], model_id)


def _of_version(services: "Services", queries: Queries, uri: str, given: dict[str, str]) -> Source:  # noqa: ARG001 - one shape for all
    name, wanted, alias = given["name"], given["version"], given["alias"]
    found = (
        v
        for v in store.versions(queries, name)
        if (alias and alias in v.aliases) or _is_meant(v, wanted)
    )
    version = next(found, None)
    if version is None:
        raise NotFound(f"There is no model {shown(uri)}.", field="source")
    uri = f"models:/{name}/{version.version}"
    return Source(uri, tuple(version.files), version.run_id, version.model_id)


def _is_meant(version: ModelVersion, wanted: str) -> bool:
    """Whether a version, looked at from the newest on, is the one of this number or stage."""
    if wanted.isdecimal():
        return str(version.version) == wanted
    word = wanted.lower()
    stages = {stage.lower(): stage for stage in STAGES}
    return word == "latest" or version.stage == stages.get(word)


def _of_kept(services: "Services", queries: Queries, uri: str, given: dict[str, str]) -> Source:
    name = unspelled(given["name"])
    return _of_version(services, queries, uri, {**given, "name": name, "alias": ""})


_READERS: dict[str, Callable[["Services", Queries, str, dict[str, str]], Source]] = {
    "run": _of_run,
    "logged": _of_logged,
    "version": _of_version,
    "kept": _of_kept,
}


def _newest_logged(queries: Queries, run_id: str, name: str) -> str | None:
    row = queries.one(
        "SELECT uid FROM logged_model WHERE run = :run AND name = :name AND deleted IS NULL"
        " ORDER BY created DESC, id DESC LIMIT 1",
        run=run_id,
        name=name,
    )
    return row["uid"] if row else None


def _files_of_logged(queries: Queries, model_id: str) -> tuple[ModelFile, ...]:
    rows = queries.all(
        "SELECT f.path, f.digest, f.size FROM logged_model_file f"
        " JOIN logged_model l ON l.id = f.logged_model WHERE l.uid = :uid ORDER BY f.path",
        uid=model_id,
    )
    return tuple(ModelFile(row["path"], row["digest"], row["size"]) for row in rows)


def _path(text: str) -> str:
    path = unquote(text).strip("/")
    return relative(path, "source") if path else ""


def _refusal(uri: str, why: str) -> InvalidInput:
    return InvalidInput(f"Invalid model version source: {shown(uri)}. {why}", field="source")
