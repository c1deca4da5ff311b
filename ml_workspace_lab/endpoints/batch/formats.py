"""Which files hold rows, and who reads them."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from ml_workspace_lab.endpoints.batch.model import MiniBatch
from ml_workspace_lab.errors import InvalidInput, shown

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.batch.values import Block, Kinds

CSV, JSON_LINES, PARQUET, ARROW = "csv", "json lines", "parquet", "arrow"
SUFFIXES = {
    ".csv": CSV,
    ".tsv": CSV,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".parquet": PARQUET,
    ".arrow": ARROW,
    ".arrows": ARROW,
    ".ipc": ARROW,
    ".feather": ARROW,
}
HINT = f"Files end in {', '.join(SUFFIXES)}."


class Survey:
    """What was found of one file: its columns, with the kinds that fit all of their values, how
    many rows it has, and where each mini-batch begins (a byte, in files of text)."""

    def __init__(self, kinds: "Kinds", rows: int, offsets: list[int]) -> None:
        self.kinds = kinds
        self.rows = rows
        self.offsets = offsets


class Reader(Protocol):
    """Reads one file of a format."""

    def survey(self, size: int) -> Survey:
        """Look at all of it, for mini-batches of `size` rows. Raises InvalidInput."""
        ...

    def read(self, part: MiniBatch, kinds: "Kinds") -> "Block":
        """The rows of a mini-batch."""
        ...


def check_known(name: str, field: str = "input") -> None:
    """Raise InvalidInput where a file's name says that it is of no format that can be read."""
    if PurePosixPath(name).suffix.lower() not in SUFFIXES:
        raise InvalidInput(
            f"{field}: {shown(name)} is of no format that can be read.", field=field, hint=HINT
        )


def check_sent(name: str, field: str) -> None:
    """Raise InvalidInput where a file is of no use in a folder of files."""
    check_known(name, field)
    if any(_is_left_out(part) for part in PurePosixPath(name).parts):
        raise InvalidInput(
            f"{field}: {shown(name)} would be left out: names that begin with `.` or `_` are.",
            field=field,
            hint="Give it another name.",
        )


def check_no_address(path: str, field: str = "input") -> None:
    """Raise InvalidInput where that is no path of a file."""
    if "://" in path:
        raise InvalidInput(
            f"{field}: {shown(path)} is an address, and files are read here.",
            field=field,
            hint="Download it, or give a path that the target's machines see.",
        )


def changed(path: Path) -> InvalidInput:
    return InvalidInput(f"input: {path.name} has changed while it was scored.", field="input")


def reader(path: Path) -> Reader:
    """Who reads a file. Raises InvalidInput where its format takes a package that isn't here."""
    match SUFFIXES[path.suffix.lower()]:
        case "csv":
            from ml_workspace_lab.endpoints.batch.csv_rows import CsvReader

            return CsvReader(path)
        case "json lines":
            from ml_workspace_lab.endpoints.batch.json_rows import JsonReader

            return JsonReader(path)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise InvalidInput(
            f"input: {path.name} takes pyarrow to be read, which is not installed.",
            field="input",
            hint="pip install 'ml_workspace_lab[tables]' where the run executes.",
        ) from None
    from ml_workspace_lab.endpoints.batch.arrow_rows import open_reader

    return open_reader(path)


def files_of(root: Path) -> list[tuple[str, Path]]:
    """The files of an input, each with its name: all below a folder in the order of their names,
    but those that begin with `.` or `_`. Raises InvalidInput where there is none, or one that
    can't be read."""
    if not root.exists():
        raise InvalidInput(f"input: there is no file or folder {shown(root)}.", field="input")
    if root.is_file():
        check_known(root.name)
        return [(root.name, root)]
    found = sorted(_below(root))
    if not found:
        raise InvalidInput(f"input: the folder {shown(root)} has no files.", field="input")
    for name, _ in found:
        check_known(name)
    return found


def _below(root: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not _is_left_out(name)]
        for name in names:
            if not _is_left_out(name):
                path = Path(folder) / name
                yield path.relative_to(root).as_posix(), path


def _is_left_out(name: str) -> bool:
    return name.startswith((".", "_"))
