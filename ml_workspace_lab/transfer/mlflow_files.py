"""The files of an MLflow folder, each read as it is; those that are damaged are remembered."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ml_workspace_lab.errors import InvalidInput, WorkspaceError, shown
from ml_workspace_lab.transfer.report import NotMapped

META = "meta.yaml"

T = TypeVar("T")

UNREADABLE = (
    WorkspaceError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    sqlite3.DatabaseError,
    TypeError,
    ValueError,
)
"""What reading damaged records raises."""


class Files:
    """Reads files. `damaged` has what could not be read, each file once however often it was
    tried."""

    def __init__(self) -> None:
        self.damaged: dict[Path, NotMapped] = {}

    def readable(
        self, what: str, folders: list[Path], read: Callable[[Path], T], lost: str = ""
    ) -> Iterator[T]:
        """What is read from each of the folders; one whose records are damaged is left out, and
        `lost` says what goes with it."""
        for folder in folders:
            yield from self._readable(what, folder, folder / META, read, lost)

    def readable_files(self, what: str, folder: Path, read: Callable[[Path], T]) -> Iterator[T]:
        """What is read from each file of a folder that there may be."""
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            yield from self._readable(what, path, path, read)

    def _readable(
        self, what: str, place: Path, named: Path, read: Callable[[Path], T], lost: str = ""
    ) -> Iterator[T]:
        try:
            yield read(place)
        except UNREADABLE as error:
            reason = f"It can't be read: {told(error)}{lost}"
            self.damaged[named] = NotMapped(what, plain(named), reason)

    def texts(self, what: str, folder: Path) -> dict[str, str]:
        """The files below a folder: each is a value to the last byte, and its path the name."""
        found = {}
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            name = path.relative_to(folder).as_posix()
            try:
                name.encode()  # one that is not UTF-8 has no place here
                found[name] = path.read_bytes().decode()
            except (OSError, UnicodeError) as error:
                reason = f"It can't be read: {told(error)}"
                self.damaged[path] = NotMapped(what, plain(path), reason)
        return found

    def lines(self, folder: Path) -> Iterator[tuple[str, list[str]]]:
        for name, text in self.texts("metric", folder).items():
            yield name, [line for line in text.splitlines() if line.strip()]


def meta(folder: Path, name: str = META) -> dict[str, Any]:
    """What a folder's `meta.yaml` says, or another such file. Raises InvalidInput where it can't be
    read."""
    import yaml  # type: ignore[import-untyped]

    try:
        found = yaml.safe_load((folder / name).read_bytes().decode())
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(f"{shown(folder / name)} can't be read.", field="source")
    return found


def read_all(
    ids: Sequence[str],
    read: Callable[[Sequence[str]], list[T]],
    leave_out: Callable[[str, str], None],
) -> list[T]:
    """What is read of these ids at once; where it is damaged, of each that can be read by itself,
    and `leave_out` is told of the others."""
    try:
        return read(ids)
    except UNREADABLE as error:
        if len(ids) > 1:
            return [found for one in ids for found in read_all([one], read, leave_out)]
        leave_out(ids[0], f"It can't be read: {told(error)}")
        return []


def moment(given: dict[str, Any], name: str) -> int | None:
    """Milliseconds that a `meta.yaml` has under a name. Raises InvalidInput on something else."""
    found = given.get(name)
    if found is not None and not isinstance(found, int):
        raise InvalidInput(f"{name} is {shown(found)}, not a number.", field="source")
    return found


def told(error: Exception) -> str:
    """What is wrong, as a sentence."""
    if isinstance(error, WorkspaceError):
        return error.message
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}."
    if isinstance(error, UnicodeError):
        return "it is not UTF-8."
    return f"{error}."


def plain(path: Path) -> str:
    """The path, for a report: with marks in place of what is not UTF-8."""
    return str(path).encode("utf-8", "replace").decode()
