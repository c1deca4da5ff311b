"""An exported folder: a list for each experiment, and contents by their SHA-256.

    export.json            which format this is
    experiments/ID.json    an experiment, and the digests of what its runs, traces, ... are
    blobs/AB/CDEF...       contents: what each is (JSON), chunks of metrics, artifacts, logs, ...

Everything but the lists is a content whose digest is known from where it is named, so that what has
changed on its way is found, and what is in two runs is there once.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.types import Digest, Int64, Key, Name, Offset, RunId, Text
from ml_workspace_lab.errors import InvalidInput, NotFound, shown
from ml_workspace_lab.evaluation.model import DatasetId
from ml_workspace_lab.experiments.records import ExperimentRecord, RunRecord
from ml_workspace_lab.models.logged_model import LoggedModelId
from ml_workspace_lab.models.records import LoggedModelRecord
from ml_workspace_lab.snapshots.model import OmittedFile
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.storage.freeing import is_older
from ml_workspace_lab.tracing.issue import IssueId
from ml_workspace_lab.tracing.model import TraceId

VERSION = 2
"""Version 1 had runs alone."""
MARKER, EXPERIMENTS, BLOBS = "export.json", "experiments", "blobs"
LISTED = 512 * 1024 * 1024
"""Bytes that a list of runs has at most."""
DESCRIBED = 256 * 1024 * 1024
"""Bytes that what a run is has at most."""
UNFINISHED = 60 * 60 * 1000
"""Milliseconds after which a file that nothing was written to is no more being written."""
COMPARED = 1024 * 1024
"""Bytes up to which a content that an earlier export left is read again."""

T = TypeVar("T")


class Marker(Struct, frozen=True):
    format: Literal["ml-workspace-export"] = "ml-workspace-export"
    version: int = VERSION


class ExportedExperiment(Struct, frozen=True, forbid_unknown_fields=True):
    """An experiment, and the digests of descriptions: of its runs, in the order of their numbers,
    of logged models that no run has logged, and of all else that it has."""

    experiment: ExperimentRecord
    runs: dict[RunId, Digest]
    logged_models: dict[LoggedModelId, Digest] = field(default_factory=dict)
    traces: dict[TraceId, Digest] = field(default_factory=dict)
    issues: dict[IssueId, Digest] = field(default_factory=dict)
    scorers: dict[Name, Digest] = field(default_factory=dict)
    evaluation_datasets: dict[DatasetId, Digest] = field(default_factory=dict)


class ExportedSnapshot(Struct, frozen=True, forbid_unknown_fields=True):
    """A snapshot by the digest of its list of files."""

    digest: Digest
    size: Offset
    created: Int64
    omitted: list[OmittedFile] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)


class ExportedRun(Struct, frozen=True, forbid_unknown_fields=True):
    """All of a run. `metrics` has the lengths of each series' chunks, which lie one after the other
    in the content `series`, by name; `log` and `output_notebook` are contents, too."""

    run: RunRecord
    metrics: dict[Key, list[Offset]] = field(default_factory=dict)
    series: Digest | None = None
    logged_models: list[LoggedModelRecord] = field(default_factory=list)
    snapshot: ExportedSnapshot | None = None
    log: Digest | None = None
    output_notebook: Digest | None = None


def encode(value: Struct) -> bytes:
    """The one spelling of a value, so that equal ones have equal digests."""
    return msgspec.json.encode(value, order="sorted")


def prepare(folder: Path) -> Blobs:
    """A folder to export to, new or begun before. Raises InvalidInput where something else is
    there."""
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{shown(folder)} is not a folder.", field="folder")
    folder.mkdir(parents=True, exist_ok=True)
    is_begun = any(not path.name.startswith(f".{MARKER}.") for path in folder.iterdir())
    if not is_begun or check(folder) < VERSION:
        write_atomic(folder / MARKER, encode(Marker()), durable=True)
    (folder / EXPERIMENTS).mkdir(exist_ok=True)
    _remove_unfinished(folder)
    return Blobs(folder / BLOBS)


def _remove_unfinished(folder: Path) -> None:
    """Remove what a killed export was writing; what is younger may be another's that goes on."""
    before = now() - UNFINISHED
    for pattern in (f".{MARKER}.*", f"{EXPERIMENTS}/.*.json.*", f"{BLOBS}/.{'[0-9a-f]' * 16}"):
        for path in folder.glob(pattern):
            if is_older(path, before):
                path.unlink(missing_ok=True)


def check(folder: Path) -> int:
    """The version of an exported folder. Raises NotFound or InvalidInput where it is none, or none
    that can be read."""
    if not folder.is_dir():
        raise NotFound(f"There is no folder {shown(folder)}.", field="folder")
    try:
        marker = read(folder / MARKER, Marker, 1024)
    except (NotFound, InvalidInput):
        raise InvalidInput(
            f"{shown(folder)} holds something else than exported experiments.",
            field="folder",
            hint="`ml-workspace export` makes such folders.",
        ) from None
    if marker.version > VERSION:
        raise InvalidInput(
            f"The folder has version {marker.version} of the format, this release reads up to"
            f" {VERSION}.",
            field="folder",
            hint="Use the release of ml_workspace_lab that made it, or a newer one.",
        )
    return marker.version


def read(path: Path, kind: type[T], limit: int) -> T:
    """The value that a file of the folder spells."""
    with open_plain(path) as stream:
        return decode(stream.read(limit + 1), kind, limit)


def decode(raw: bytes, kind: type[T], limit: int) -> T:
    if len(raw) > limit:
        raise InvalidInput(f"It is larger than {limit} bytes.", field="folder")
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"It is damaged: {error}.", field="folder") from None


def content(folder: Path, digest: str, limit: int) -> bytes:
    """A content of the folder, whole. Raises InvalidInput where it is not what it should be."""
    with open_content(folder, digest) as stream:
        raw = stream.read(limit + 1)
    if len(raw) > limit or hashlib.sha256(raw).hexdigest() != digest:
        raise InvalidInput(f"The content {digest} has changed, or is too large.", field="folder")
    return raw


class Verified:
    """A stream of a content that raises InvalidInput at its end where it is another."""

    def __init__(self, stream: BinaryIO, digest: str) -> None:
        self._stream = stream
        self._wanted = digest
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        part = self._stream.read(size)
        self._digest.update(part)
        if not part and self._digest.hexdigest() != self._wanted:
            raise InvalidInput(f"The content {self._wanted} has changed.", field="folder")
        return part


def open_content(folder: Path, digest: str) -> BinaryIO:
    blobs = folder / BLOBS
    if (blobs / digest[:2]).is_symlink() or blobs.is_symlink():
        raise InvalidInput("The folder holds links.", field="folder")
    return open_plain(Blobs(blobs).path(digest))


def keep(blobs: Blobs, digest: str, size: Callable[[], int], read: Callable[[], BinaryIO]) -> bool:
    """Put a content of that size into the folder, also in place of one that is not whole; whether
    there was such a one. Raises WorkspaceError where what is read is another."""
    path = blobs.path(digest)
    if _is_whole(path, digest, size):
        return False
    was_damaged = os.path.lexists(path)
    with read() as stream:
        blobs.put_back(stream, digest)
    return was_damaged


def _is_whole(path: Path, digest: str, size: Callable[[], int]) -> bool:
    """Whether a content is there: by its digest, a large one by its size."""
    try:
        with open_plain(path) as stream:
            found = os.fstat(stream.fileno()).st_size
            if found > COMPARED:
                return found == size()
            return hashlib.sha256(stream.read()).hexdigest() == digest
    except (NotFound, InvalidInput, OSError):
        return False


def open_plain(path: Path) -> BinaryIO:
    """A plain file, to be read; a link or a pipe is refused."""
    name = f"{path.parent.name}/{path.name}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"{name} is missing.", field="folder") from None
    except OSError as error:
        raise InvalidInput(f"{name} can't be read: {error.strerror}.", field="folder") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"{name} is not a plain file.", field="folder")
    return os.fdopen(descriptor, "rb")
