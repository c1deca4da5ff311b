"""Two runs beside each other: what differs of the code, the parameters and the environment."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from ml_workspace_lab.access.authorize import allows
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import RunId, Scalar
from ml_workspace_lab.environments.model import ValueChange
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.experiments.search.compare import equal
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.diff_model import ParameterChange, RunDiff
from ml_workspace_lab.jobs.model import SubmitRun
from ml_workspace_lab.snapshots.differing import Change, FileChange, changed_files, file_change
from ml_workspace_lab.snapshots.model import SnapshotFile

MOST_FILES = 200
"""So many files are compared line by line; of the others is said that they differ."""
MOST_TEXT = 4 * 1024 * 1024
_VARIABLES = "environment_variables."
_APART = ("snapshot_id", "run_id", "display_name", "tags", "parent", "after", "cold", "parameters")
"""Of a submission what says nothing of the work, or is compared by itself."""


class RunDiffs(Service):
    """What differs between runs."""

    @operation("GET", "/runs/{run_id}/diff/{other}", action="experiments/runs/read")
    def get(self, run_id: RunId, other: RunId) -> RunDiff:
        """What differs from a run to another one: files line by line, notebooks cell by cell,
        parameters, packages, and how the work was asked for. Raises NotFound."""
        before, after = self.services.runs.get(run_id), self.services.runs.get(other)
        notes: list[str] = []
        settings = _changes(self._settings(before), self._settings(after))
        files = self._files(before, after, notes)
        ran_in = self.services.environments.diff(run_id, other)
        notes += [f"What run {run} ran in is not known." for run in dict.fromkeys(ran_in.unknown)]
        parameters = _parameters(before.params, after.params)
        found = RunDiff(
            run_id, other, False, settings, parameters, files, ran_in.packages, ran_in.values, notes
        )
        differs = settings or parameters or files or ran_in.packages or ran_in.values or notes
        return msgspec.structs.replace(found, same=not differs)

    def _settings(self, run: RunInfo) -> dict[str, str]:
        found = {"experiment": run.experiment, "kind": str(run.kind)}
        job = store.find(self.storage.database, run.run_id)
        return found | (_submitted(job.submission) if job else {})

    def _files(self, before: RunInfo, after: RunInfo, notes: list[str]) -> list[FileChange]:
        if not allows(caller(), "snapshots/read"):
            notes.append("You may not see the files that runs started from.")
            return []
        old, new = self._snapshot(before, notes), self._snapshot(after, notes)
        if old is None or new is None:
            return []
        changes: list[FileChange] = []
        room = MOST_TEXT
        for number, (path, change) in enumerate(changed_files(old, new).items()):
            if number >= MOST_FILES or room <= 0:
                changes.append(FileChange(path, change, note="Not compared: so much differs"))
                continue
            one = self._file(path, change, old.get(path), new.get(path))
            room -= len(one.text) + sum(len(cell.text) for cell in one.cells)
            changes.append(one)
        return changes

    def _snapshot(self, run: RunInfo, notes: list[str]) -> dict[str, SnapshotFile] | None:
        if run.snapshot_id is None:
            notes.append(f"Run {run.run_id} has no snapshot of its files.")
            return None
        try:
            return {file.path: file for file in self.services.snapshots.files(run.snapshot_id)}
        except WorkspaceError as error:
            notes.append(f"The files of run {run.run_id} can't be read: {error.message}")
            return None

    def _file(
        self, path: str, change: Change, old: SnapshotFile | None, new: SnapshotFile | None
    ) -> FileChange:
        def read(file: SnapshotFile) -> bytes:
            return self.storage.blobs.read(file.digest)

        try:
            return file_change(path, old, new, (read, read))
        except WorkspaceError as error:
            return FileChange(path, change, note=error.message)


def _submitted(submission: SubmitRun) -> dict[str, str]:
    """How a run was asked for, by dotted names; what says nothing of the work left out."""
    found: dict[str, object] = msgspec.to_builtins(submission)
    job = found.pop("job")
    assert isinstance(job, dict)
    kept = {name: value for name, value in {**job, **found}.items() if name not in _APART}
    return dict(_flat("", kept))


def _flat(above: str, value: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, one in value.items():
        if isinstance(one, dict):
            yield from _flat(f"{above}{name}.", one)
        elif one is not None:
            text = one if isinstance(one, str) else msgspec.json.encode(one).decode()
            yield f"{above}{name}", text


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[ValueChange]:
    names = [n for n in dict.fromkeys([*before, *after]) if before.get(n) != after.get(n)]
    return [ValueChange(name, _told(name, before), _told(name, after)) for name in names]


def _told(name: str, values: Mapping[str, str]) -> str | None:
    """A value; of a variable, which may be secret, only that there is one."""
    if name.startswith(_VARIABLES) and name in values:
        return "(set)"
    return values.get(name)


def _parameters(before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> list[ParameterChange]:
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        only: Literal["", "before", "after"] = ""
        if name not in before or name not in after:
            only = "before" if name in before else "after"
        if only or not equal(old, new):
            found.append(ParameterChange(name, old, new, only))
    return found
