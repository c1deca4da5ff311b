"""The snapshots of a workspace as its users hold them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workspace_lab.client.snapshot import take_snapshot
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.snapshots import preview as previewing
from ml_workspace_lab.snapshots import restoring
from ml_workspace_lab.snapshots.model import (
    ChosenFiles,
    SnapshotFile,
    SnapshotInfo,
    SnapshotSummary,
    SnapshotUse,
)
from ml_workspace_lab.snapshots.preview import Preview
from ml_workspace_lab.snapshots.restoring import Restored

if TYPE_CHECKING:
    from ml_workspace_lab.client.snapshot_diff import SnapshotDiff
    from ml_workspace_lab.client.workspace import Workspace


class Snapshots:
    """`ws.snapshots`: what runs were started from. Iterating gives all of them, newest first."""

    def __init__(self, workspace: "Workspace") -> None:
        self.workspace = workspace
        self._operations = workspace.connection.snapshots

    def preview(self, folder: str | Path = ".") -> Preview:
        """What a snapshot of `folder` would hold, what takes most of it, what is left out and why.
        Nothing is sent. Raises InvalidInput where there is no folder."""
        return previewing.preview(Path(folder))

    def take(self, folder: str | Path = ".") -> "Snapshot":
        """A snapshot of `folder` as it is now."""
        return Snapshot(self.workspace, take_snapshot(self.workspace.connection, Path(folder)))

    def __iter__(self) -> Iterator[SnapshotSummary]:
        after = None
        while True:
            page = self._operations.list(after=after)
            yield from page.items
            after = page.next
            if after is None:
                return

    def __getitem__(self, snapshot_id: str) -> "Snapshot":
        return Snapshot(self.workspace, self._operations.get(snapshot_id))

    def of_run(self, run_id: str) -> "Snapshot | None":
        """The snapshot that a run was started from, None where it has none."""
        found = self.workspace.connection.runs.get(run_id).snapshot_id
        return self[found] if found else None


class Snapshot:
    """A snapshot: its files by path, and what was left out."""

    def __init__(self, workspace: "Workspace", info: SnapshotInfo) -> None:
        self.workspace = workspace
        self.info = info
        self.files = {file.path: file for file in info.files}

    @property
    def id(self) -> str:
        return self.info.snapshot_id

    def read(self, path: str) -> bytes:
        """The bytes of one file. Raises NotFound, Conflict where the stored content is damaged."""
        return self.workspace.connection.snapshots.file(self.id, path).read()

    def uses(self) -> list[SnapshotUse]:
        """The runs that were started from it and the models that came of it."""
        return self.workspace.connection.snapshots.uses(self.id).items

    def restore(
        self,
        folder: str | Path,
        paths: Sequence[str] | None = None,
        *,
        overwrite: bool = False,
    ) -> Restored:
        """Write its files, or those of `paths` (files or folders), into `folder`, which is made
        where there is none. Raises Conflict, and writes nothing, where other files are in their
        places, unless `overwrite` says so; NotFound where a path is not in the snapshot."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        files = self._chosen(paths)
        wanted = restoring.to_write(files, target, overwrite=overwrite)
        if wanted:
            chosen = ChosenFiles([file.path for file in wanted])
            content = self.workspace.connection.snapshots.contents(self.id, chosen)
            with content.stream as body:
                sizes = [file.size for file in wanted]
                restoring.put_back(wanted, restoring.streams(body, sizes), target)
        return Restored(str(target), len(wanted), len(files) - len(wanted))

    def diff(self, other: "Snapshot") -> "SnapshotDiff":
        """What differs from this one to `other`."""
        from ml_workspace_lab.client.snapshot_diff import SnapshotDiff

        return SnapshotDiff(self, other)

    def _chosen(self, paths: Sequence[str] | None) -> list[SnapshotFile]:
        if paths is None:
            return self.info.files
        found: dict[str, SnapshotFile] = {}
        for path in paths:
            start = path.rstrip("/")
            some = [f for f in self.info.files if f.path == start or f.path.startswith(start + "/")]
            if not some:
                raise NotFound(f"The snapshot has no file {path!r}.", field="paths")
            found |= {file.path: file for file in some}
        return sorted(found.values(), key=lambda file: file.path)

    def __repr__(self) -> str:
        return f"Snapshot({self.id[:12]}: {len(self.files)} files, {self.info.size} bytes)"
