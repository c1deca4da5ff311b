"""What differs between two snapshots, file by file and line by line."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from ml_workspace_lab.snapshots.differing import FileChange, Read, changed_files, file_change

if TYPE_CHECKING:
    from ml_workspace_lab.client.snapshots import Snapshot


class SnapshotDiff:
    """From `before` to `after`; `str()` of it is a unified diff, cells of notebooks as text."""

    def __init__(self, before: "Snapshot", after: "Snapshot") -> None:
        self.before = before
        self.after = after
        self._changes = changed_files(before.files, after.files)
        self.added = self._paths("added")
        self.removed = self._paths("removed")
        self.changed = self._paths("changed")

    def __bool__(self) -> bool:
        return bool(self._changes)

    def file(self, path: str) -> FileChange:
        """How one file differs: lines, or cells of a notebook."""
        old, new = self.before.files.get(path), self.after.files.get(path)
        return file_change(path, old, new, (_reader(self.before), _reader(self.after)))

    def text(self, path: str) -> str:
        """The same as text."""
        return str(self.file(path))

    @cached_property
    def _texts(self) -> list[str]:
        return [self.text(path) for path in self._changes]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __str__(self) -> str:
        return "".join(self._texts)

    def _paths(self, kind: str) -> list[str]:
        return [path for path, change in self._changes.items() if change == kind]


def _reader(snapshot: "Snapshot") -> Read:
    return lambda file: snapshot.read(file.path)
