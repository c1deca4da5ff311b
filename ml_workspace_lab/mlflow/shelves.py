"""Where the artifact proxy's paths lead: to the files of a run, a logged model, a version, a trace.

Each is a shelf with the same few things to do, so that the proxy need not know whose files it
hands on.
"""

import re
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, Protocol
from urllib.parse import unquote

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.mlflow.lookup import active_run, no_run
from ml_workspace_lab.models.sources import unspelled
from ml_workspace_lab.storage.paths import relative

INVALID_PATH = "Invalid path"
"""All that is said of such a path: clients compare the message with these words."""


class Stored(NamedTuple):
    path: str
    size: int


class Shelf(Protocol):
    def list(self) -> list[Stored]: ...

    def get(self, path: str) -> Content: ...

    def put(self, path: str, content: BinaryIO) -> None: ...

    def require_put(self, path: str) -> None:
        """Raise what a `put` would be refused with, before its content is there."""

    def delete(self, path: str) -> None: ...


class OfRun:
    """The artifacts of a run."""

    def __init__(self, connection: LocalConnection, run_id: str) -> None:
        self._connection = connection
        self._artifacts = connection.artifacts
        self._run_id = run_id

    def list(self) -> list[Stored]:
        return [Stored(one.path, one.size) for one in self._artifacts.list(self._run_id).items]

    def get(self, path: str) -> Content:
        found: Content = self._artifacts.get(self._run_id, path)
        return found

    def put(self, path: str, content: BinaryIO) -> None:
        self._artifacts.put(self._run_id, path, content)

    def require_put(self, path: str) -> None:
        self._connection.check("artifacts", "put", run_id=self._run_id, path=path)
        active_run(self._connection, self._run_id)

    def delete(self, path: str) -> None:
        self._artifacts.delete(self._run_id, path)


class OfTrace:
    """The files of a trace."""

    def __init__(self, connection: LocalConnection, trace_id: str) -> None:
        self._connection = connection
        self._traces = connection.traces
        self._trace_id = trace_id

    def list(self) -> list[Stored]:
        return [Stored(one.path, one.size) for one in self._traces.files(self._trace_id).items]

    def get(self, path: str) -> Content:
        found: Content = self._traces.file(self._trace_id, path)
        return found

    def put(self, path: str, content: BinaryIO) -> None:
        self._traces.put_file(self._trace_id, path, content)

    def require_put(self, path: str) -> None:
        self._connection.check("traces", "put_file", trace_id=self._trace_id, path=path)
        self._traces.files(self._trace_id)

    def delete(self, path: str) -> None:
        self._traces.delete_file(self._trace_id, path)


class OfLoggedModel:
    """The files of a logged model."""

    def __init__(self, connection: LocalConnection, model_id: str) -> None:
        self._connection = connection
        self._models = connection.logged_models
        self._model_id = model_id

    def list(self) -> list[Stored]:
        return [Stored(one.path, one.size) for one in self._models.files(self._model_id).items]

    def get(self, path: str) -> Content:
        found: Content = self._models.file(self._model_id, path)
        return found

    def put(self, path: str, content: BinaryIO) -> None:
        self._models.put_file(self._model_id, path, content)

    def require_put(self, path: str) -> None:
        self._connection.check("logged_models", "put_file", model_id=self._model_id, path=path)
        self._models.files(self._model_id)

    def delete(self, path: str) -> None:
        self._models.delete_file(self._model_id, path)


class OfVersion:
    """The files of a registered model's version, which never change."""

    def __init__(self, connection: LocalConnection, model: str, version: int) -> None:
        self._models = connection.models
        self._model, self._version = model, version

    @classmethod
    def at(cls, connection: LocalConnection, place: str) -> "OfVersion":
        """That of `MODEL/VERSION` in a path of the proxy."""
        model, _, version = place.rpartition("/")
        return cls(connection, unspelled(model), int(version))

    def list(self) -> list[Stored]:
        found = self._models.version(self._model, self._version)
        return [Stored(file.path, file.size) for file in found.files]

    def get(self, path: str) -> Content:
        found: Content = self._models.file(self._model, self._version, path)
        return found

    def put(self, path: str, content: BinaryIO) -> None:  # noqa: ARG002 - whatever it is
        raise self._refusal(path)

    def require_put(self, path: str) -> None:
        raise self._refusal(path)

    def delete(self, path: str) -> None:
        raise self._refusal(path)

    def _refusal(self, path: str) -> InvalidInput:
        return InvalidInput(
            f"{path[:80]!r} is a file of version {self._version} of {self._model!r}, which never"
            " changes.",
            field="path",
            hint="Register a new version.",
        )


_MODEL = r"models/(?P<id>m-[0-9a-f]{32})"

SHELVES: list[tuple[str, Callable[[LocalConnection, str], Shelf], str | None]] = [
    (r"(?P<of>[0-9]+)/(?P<id>[0-9a-f]{32})/artifacts(?:/(?P<path>.*))?", OfRun, "run"),
    (rf"(?P<of>[0-9]+)/{_MODEL}/artifacts(?:/(?P<path>.*))?", OfLoggedModel, "logged_model"),
    (r"(?P<of>[0-9]+)/traces/(?P<id>[\w.-]+)/artifacts(?:/(?P<path>.*))?", OfTrace, "trace"),
    (r"models/(?P<id>[^/]+/[0-9]{1,9})(?:/(?P<path>.*))?", OfVersion.at, None),
]
"""What the proxy's paths look like, whose files they are, and the table that says which experiment
these are in."""


def shelf(connection: LocalConnection, path: str) -> tuple[Shelf, str]:
    """The shelf that a path of the proxy leads to, and the path on it ("" is all of it).

    Raises InvalidInput for a path that leads elsewhere, NotFound where nobody's files are: also
    where a run, logged model or trace is in another experiment than the path says.
    """
    path = safe(path)
    for pattern, kind, table in SHELVES:
        if match := re.fullmatch(pattern, path, re.DOTALL):
            if table is not None:
                _require_there(connection, table, match["id"], match["of"])
            return kind(connection, match["id"]), match["path"] or ""
    if match := re.match(r"[0-9]+/([^/]+)/artifacts(?:/|$)", path):
        raise no_run(match[1])
    raise NotFound(
        f"There are no artifacts at {path[:80]!r}.",
        field="path",
        hint="Paths are EXPERIMENT/RUN/artifacts/... or EXPERIMENT/models/MODEL/artifacts/...",
    )


def _require_there(connection: LocalConnection, table: str, owner: str, experiment: str) -> None:
    """Raise NotFound where the owner of a shelf is not in that experiment. One that isn't there at
    all is told of by what is done with its files."""
    row = connection.storage.database.one(
        f"SELECT experiment FROM {table} WHERE uid = :uid",  # noqa: S608
        uid=owner,
    )
    if row is not None and str(row["experiment"]) != experiment:
        raise NotFound(
            f"There are no artifacts of {owner[:80]} in the experiment {experiment[:80]}.",
            field="path",
        )


def folder(path: str) -> str:
    """A folder that is to be listed, in normal form. Parts that stay where they are mean nothing:
    clients write `.` for all of a run."""
    return safe("/".join(part for part in path.removesuffix("/").split("/") if part != "."))


def safe(path: str) -> str:
    """The path in normal form, its last slash left out. Raises InvalidInput where it would lead
    elsewhere, also when it is decoded once more: clients and proxies on the way do that."""
    path = path.removesuffix("/")
    spelled = path
    for _ in range(3):
        _check(spelled)
        spelled = unquote(spelled)
    _check(spelled)
    return path


def _check(path: str) -> None:
    try:
        if path:
            relative(path)
    except InvalidInput as error:
        raise InvalidInput(INVALID_PATH, field="path") from error
    if "#" in path:
        raise InvalidInput(INVALID_PATH, field="path")
