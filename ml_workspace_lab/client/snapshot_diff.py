"""What differs between two snapshots, file by file and line by line."""

import difflib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_workspace_lab.client.snapshots import Snapshot

LONGEST = 1024 * 1024
"""Bytes of a text whose lines are compared."""


class SnapshotDiff:
    """From `before` to `after`; `str()` of it is a unified diff, cells of notebooks as text."""

    def __init__(self, before: "Snapshot", after: "Snapshot") -> None:
        self.before = before
        self.after = after
        old, new = before.files, after.files
        self.added = sorted(new.keys() - old.keys())
        self.removed = sorted(old.keys() - new.keys())
        self.changed = sorted(path for path in old.keys() & new.keys() if old[path] != new[path])

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def text(self, path: str) -> str:
        """How one file differs: lines, or cells of a notebook."""
        old, new = self._content(self.before, path), self._content(self.after, path)
        if len(old) > LONGEST or len(new) > LONGEST or b"\0" in old or b"\0" in new:
            return f"Binary or long: {path}, {len(old)} and {len(new)} bytes\n"
        if path.endswith(".ipynb"):
            cells = _cells(old), _cells(new)
            if cells[0] is not None and cells[1] is not None:
                return _unified(cells[0], cells[1], path) or f"Outputs alone: {path}\n"
        lines = [part.decode(errors="replace").splitlines(keepends=True) for part in (old, new)]
        return _unified(lines[0], lines[1], path) or f"Its mode: {path}\n"

    @cached_property
    def _texts(self) -> list[str]:
        return [self.text(path) for path in sorted([*self.added, *self.removed, *self.changed])]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __str__(self) -> str:
        return "".join(self._texts)

    def _content(self, snapshot: "Snapshot", path: str) -> bytes:
        file = snapshot.files.get(path)
        if file is None:
            return b""
        return snapshot.read(path) if file.size <= LONGEST else b"\0" * (LONGEST + 1)


def _unified(old: list[str], new: list[str], path: str) -> str:
    found = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in found)


def _cells(raw: bytes) -> list[str] | None:
    """A notebook's cells as lines; None where it can't be read."""
    if not raw:
        return []
    try:
        cells = json.loads(raw)["cells"]
        return [line for cell in cells for line in _lines(cell)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _lines(cell: dict[str, object]) -> list[str]:
    source = cell.get("source", "")
    text = "".join(source) if isinstance(source, list) else str(source)
    if text and not text.endswith("\n"):
        text += "\n"
    return [f"# %% [{cell.get('cell_type')}]\n", *text.splitlines(keepends=True)]
