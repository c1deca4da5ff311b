"""What there is to score: the files of the input, and the mini-batches that they make."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from ml_workspace_lab.endpoints.batch.formats import changed, files_of, reader
from ml_workspace_lab.endpoints.batch.model import MiniBatch, Settings
from ml_workspace_lab.endpoints.batch.values import MLFLOW_KINDS, ColumnKind, Kinds, joined
from ml_workspace_lab.endpoints.scoring.columns import signature
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.models.flavors import loading

TEXTS = (".csv", ".tsv")


class InputFile(Struct, frozen=True):
    """A file of the input: its SHA-256, and how many rows it has."""

    name: str
    digest: str
    rows: int


class Basis(Struct, frozen=True):
    """What mini-batches that were finished before must have been made of, to be of use."""

    model: str
    content: str
    script: str
    mini_batch_size: int
    output_action: str
    files: list[InputFile]
    graph: str = ""


@dataclass(frozen=True)
class Plan:
    """The mini-batches in the order of the input, the kinds of its columns, and what it is made
    of."""

    basis: Basis
    kinds: Kinds
    parts: list[MiniBatch]
    stamps: list[tuple[Path, int, int]]
    """Each file with its size and the time of its last change."""

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.basis.files)

    @property
    def digest(self) -> str:
        """That of the input: of its file, or of the list of its files."""
        files = self.basis.files
        if len(files) == 1:
            return files[0].digest
        return hashlib.sha256(msgspec.json.encode(files)).hexdigest()

    def check_unchanged(self) -> None:
        """Raise InvalidInput naming a file that was written to since it was looked at."""
        for path, size, time in self.stamps:
            if _stamp(path) != (path, size, time):
                raise changed(path)


def plan(settings: Settings, model: Path, source: Path) -> Plan:
    """Raises InvalidInput naming the file that can't be read."""
    kinds: Kinds = {}
    files: list[InputFile] = []
    parts: list[MiniBatch] = []
    size = settings.mini_batch_size
    stamps = []
    for at, (name, path) in enumerate(files_of(source)):
        stamps.append(_stamp(path))
        found = reader(path).survey(size)
        for column, kind in found.kinds.items():
            as_text = path.suffix.lower() in TEXTS
            kinds[column] = joined(kinds.get(column, "none"), kind, as_text=as_text)
        for number, offset in enumerate(found.offsets):
            rows = min(size, found.rows - number * size)
            parts.append(MiniBatch(len(parts), at, number * size, rows, offset))
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        files.append(InputFile(name, digest, found.rows))
    if not parts:
        raise InvalidInput(f"input: there are no rows in {settings.source}.", field="input")
    basis = Basis(
        model=f"{settings.model}:{settings.version}",
        content=settings.content,
        script=settings.script_digest,
        mini_batch_size=size,
        output_action=settings.output_action,
        files=files,
        graph=settings.graph,
    )
    return Plan(basis, {**kinds, **_of_signature(model, kinds)}, parts, stamps)


def _stamp(path: Path) -> tuple[Path, int, int]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns


def check_same(now: Basis, before: Basis) -> None:
    """Raise Conflict naming what differs where mini-batches of one are none of the other."""
    for field, told in (
        ("model", "scored by"),
        ("content", "scored by a model with the content"),
        ("script", "scored by a script with the digest"),
        ("graph", "scored by a graph with the digest"),
        ("mini_batch_size", "in mini-batches of"),
        ("output_action", "with the output_action"),
    ):
        one, two = getattr(now, field), getattr(before, field)
        if one != two:
            raise _other(f"it was {told} {two or '(none)'}, and this one is {one or '(none)'}")
    known = {file.name: file for file in before.files}
    for file in now.files:
        if known.pop(file.name, None) != file:
            raise _other(f"the file {file.name!r} has another content")
    for name in known:
        raise _other(f"there is no file {name!r} any more")


def _other(reason: str) -> Conflict:
    return Conflict(
        f"resume_from: that run's mini-batches are not those of this run: {reason}.",
        field="resume_from",
        hint="Leave it out to score everything again.",
    )


def _of_signature(model: Path, present: Mapping[str, ColumnKind]) -> Kinds:
    """The kinds of columns that the model's signature names; its files are data here, and nothing
    of them is loaded."""
    folder = loading.find(model)
    if folder is None:
        return {}
    try:
        columns = signature(folder).inputs
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # Loading the model will say what is wrong with it.
    known = {column.name: MLFLOW_KINDS.get(column.kind) for column in columns}
    return {name: kind for name, kind in known.items() if kind and name in present}
