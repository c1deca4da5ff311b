"""Experiments into a folder that another workspace takes."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from msgspec import Struct, field

from ml_workspace_lab.errors import InvalidInput, NotFound, WorkspaceError
from ml_workspace_lab.experiments.model import ExperimentInfo, RunInfo
from ml_workspace_lab.experiments.records import ExperimentRecord, chunks_of, find
from ml_workspace_lab.models.records import read_logged
from ml_workspace_lab.services import Services
from ml_workspace_lab.snapshots.model import OmittedFile
from ml_workspace_lab.storage import gc
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.storage.database import Queries
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.transfer import folder as form
from ml_workspace_lab.transfer.folder import ExportedExperiment, ExportedRun, ExportedSnapshot
from ml_workspace_lab.transfer.report import NotMapped, Progress

PAGE = 1000


class ExportReport(Struct):
    """What the folder holds of the experiments now; runs that go on are left out. `repaired` counts
    contents of an earlier export that were damaged and are written anew."""

    folder: str
    experiments: int = 0
    runs: int = 0
    repaired: int = 0
    left_out: list[NotMapped] = field(default_factory=list)


class Description(NamedTuple):
    """All of a run, and the bytes of its series."""

    exported: ExportedRun
    series: bytes


def export(
    services: Services, names: Sequence[str], target: Path, progress: Progress
) -> ExportReport:
    """Put experiments with all that belongs to their runs into a folder; one that was begun before
    gets what it lacks. Raises NotFound, and InvalidInput where something else is there."""
    if target.resolve().is_relative_to(services.storage.root.resolve()):
        raise InvalidInput("The folder lies inside the workspace.", field="folder")
    found = [services.experiments.get(name) for name in dict.fromkeys(names)]
    folder = _Folder(services.storage, form.prepare(target))
    report = ExportReport(str(target))
    total = sum(info.run_count for info in found)
    for info in found:
        runs: dict[str, str] = {}
        for run in _runs(services, info.name):
            if not run.state.is_terminal and run.kind != "external":
                report.left_out.append(NotMapped("run", run.run_id, "It goes on."))
                continue
            try:
                runs[run.run_id] = folder.put_run(run.run_id)
                report.runs += 1
            except WorkspaceError as error:
                report.left_out.append(NotMapped("run", run.run_id, error.message))
            progress(report.runs + len(report.left_out), total)
        listed = ExportedExperiment(_record(info), dict(reversed(runs.items())))
        path = target / form.EXPERIMENTS / f"{info.experiment_id}.json"
        write_atomic(path, form.encode(listed), durable=True)
        report.experiments += 1
    report.repaired = folder.repaired
    return report


def describe(storage: Storage, queries: Queries, uid: str) -> Description:
    """All that is known of a run. Raises NotFound."""
    record = find(queries, uid)
    if record is None:
        raise NotFound(f"There is no run {uid}.", field="run_id")
    found = dict(sorted(chunks_of(queries, uid).items()))
    metrics = {name: [len(body) for body in bodies] for name, bodies in found.items()}
    series = b"".join(body for bodies in found.values() for body in bodies)
    files = storage.run(uid)
    exported = ExportedRun(
        run=record,
        metrics=metrics,
        series=hashlib.sha256(series).hexdigest() if metrics else None,
        logged_models=read_logged(queries, uid),
        snapshot=_snapshot(queries, record.snapshot),
        log=_digest(files.log),
        output_notebook=_digest(files.notebook),
    )
    return Description(exported, series)


def contents(storage: Storage, exported: ExportedRun) -> Iterator[str]:
    """The contents of the blob store that a run needs."""
    yield from (one.digest for one in exported.run.artifacts)
    yield from (file.digest for model in exported.logged_models for file in model.files)
    if exported.snapshot is not None:
        yield exported.snapshot.digest
        yield from gc.tree(storage, exported.snapshot.digest)


class _Folder:
    """Where contents are put; each is looked at once in an export."""

    def __init__(self, storage: Storage, blobs: Blobs) -> None:
        self.repaired = 0
        self._storage = storage
        self._blobs = blobs
        self._whole: set[str] = set()

    def put_run(self, uid: str) -> str:
        """Put a run with all that it needs; the digest of its description."""
        storage = self._storage
        with storage.database.read() as queries:
            exported, series = describe(storage, queries, uid)
        for one in contents(storage, exported):
            self._put(one, partial(storage.blobs.size, one), partial(storage.blobs.open, one))
        files = storage.run(uid)
        for path, wanted in ((files.log, exported.log), (files.notebook, exported.output_notebook)):
            if wanted is not None:
                self._put(wanted, partial(_size, path), partial(form.open_plain, path))
        if exported.series is not None:
            self._put(exported.series, partial(len, series), partial(BytesIO, series))
        raw = form.encode(exported)
        digest = hashlib.sha256(raw).hexdigest()
        self._put(digest, partial(len, raw), partial(BytesIO, raw))
        return digest

    def _put(self, digest: str, size: Callable[[], int], read: Callable[[], BinaryIO]) -> None:
        if digest not in self._whole:
            self.repaired += form.keep(self._blobs, digest, size, read)
            self._whole.add(digest)


def _runs(services: Services, experiment: str) -> Iterator[RunInfo]:
    after = None
    while True:
        page = services.runs.list(experiment=experiment, after=after, limit=PAGE)
        yield from page.items
        after = page.next
        if after is None:
            return


def _record(info: ExperimentInfo) -> ExperimentRecord:
    return ExperimentRecord(
        info.name, info.created, info.updated, info.description, info.tags, info.archived
    )


def _snapshot(queries: Queries, digest: str | None) -> ExportedSnapshot | None:
    row = queries.one("SELECT * FROM snapshot WHERE digest = :digest", digest=digest)
    if row is None:
        return None
    notices = json.loads(row["notices_json"])
    return ExportedSnapshot(
        digest=row["digest"],
        size=row["size"],
        created=row["created"],
        omitted=[OmittedFile(**one) for one in notices["omitted"]],
        notes=notices["notes"],
    )


def _size(path: Path) -> int:
    return path.stat().st_size


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
