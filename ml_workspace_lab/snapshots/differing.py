"""What differs between the files of two snapshots: which, and how their texts do."""

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct, field

from ml_workspace_lab.snapshots.cells import CellChange, changed_cells
from ml_workspace_lab.snapshots.lines import TooLong, unified
from ml_workspace_lab.snapshots.model import SnapshotFile

_LONG = "Binary or long"
LONGEST = 1024 * 1024
"""Bytes of a text whose lines are compared."""


Change = Literal["added", "removed", "changed"]


class FileChange(Struct, frozen=True):
    """A file that is not the same on both sides. `text` is how its lines differ, as a unified diff,
    `cells` how a notebook's cells do, and `note` why there is neither."""

    path: str
    change: Change
    text: str = ""
    cells: list[CellChange] = field(default_factory=list)
    note: str = ""

    def __str__(self) -> str:
        """As a unified diff, cells of notebooks as text."""
        if self.note:
            return f"{self.note}: {self.path}\n"
        head = f"--- a/{self.path}\n+++ b/{self.path}\n"
        return head + (self.text or "".join(map(_cell, self.cells)))


Read = Callable[[SnapshotFile], bytes]


def changed_files(
    old: Mapping[str, SnapshotFile], new: Mapping[str, SnapshotFile]
) -> dict[str, Change]:
    """By path, in order."""
    found: dict[str, Change] = {}
    for path in sorted(old.keys() | new.keys()):
        if path not in old:
            found[path] = "added"
        elif path not in new:
            found[path] = "removed"
        elif old[path] != new[path]:
            found[path] = "changed"
    return found


def file_change(
    path: str, old: SnapshotFile | None, new: SnapshotFile | None, read: tuple[Read, Read]
) -> FileChange:
    """How one file differs that is not the same."""
    change: Change = "changed"
    if old is None or new is None:
        change = "added" if old is None else "removed"
    elif old.digest == new.digest:
        return FileChange(path, change, note="Its mode")
    if any(file is not None and file.size > LONGEST for file in (old, new)):
        return FileChange(path, change, note=_LONG)
    before = read[0](old) if old else b""
    after = read[1](new) if new else b""
    if b"\0" in before or b"\0" in after:
        return FileChange(path, change, note=_LONG)
    if path.endswith(".ipynb"):
        cells = changed_cells(before, after)
        if cells is not None:
            return FileChange(path, change, cells=cells, note="" if cells else "Outputs alone")
    lines = [part.decode(errors="replace").splitlines(keepends=True) for part in (before, after)]
    try:
        text = unified(*lines)
    except TooLong:
        return FileChange(path, change, note=_LONG)
    return FileChange(path, change, text, note="" if text else "Empty or not readable")


def cell_title(cell: CellChange) -> str:
    places = [str(place) for place in (cell.before, cell.after) if place is not None]
    return f"cell {' -> '.join(dict.fromkeys(places))} {cell.change} [{cell.kind}]"


def _cell(cell: CellChange) -> str:
    return f"# {cell_title(cell)}\n{cell.text}"
