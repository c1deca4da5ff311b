"""Experiments into a folder that another workspace takes."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple

from msgspec import Struct, field

from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, WorkspaceError
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
from ml_workspace_lab.transfer import belongings
from ml_workspace_lab.transfer import folder as form
from ml_workspace_lab.transfer.belongings import KINDS, Kind
from ml_workspace_lab.transfer.folder import ExportedExperiment, ExportedRun, ExportedSnapshot
from ml_workspace_lab.transfer.report import NotMapped, Progress

PAGE = 1000


class ExportReport(Struct):
    """What the folder holds of the experiments now; runs that go on are left out. `logged_models`
    counts those without a run: others go with theirs. `repaired` counts contents of an earlier
    export that were damaged and are written anew."""

    folder: str
    experiments: int = 0
    runs: int = 0
    logged_models: int = 0
    traces: int = 0
    issues: int = 0
    scorers: int = 0
    evaluation_datasets: int = 0
    repaired: int = 0
    left_out: list[NotMapped] = field(default_factory=list)


class Description(NamedTuple):
    """All of a run, and the bytes of its series."""

    exported: ExportedRun
    series: bytes


def export(
    services: Services, names: Sequence[str], target: Path, progress: Progress
) -> ExportReport:
    """Put experiments with all that belongs to them into a folder; one that was begun before gets
    what it lacks. Raises NotFound, and InvalidInput where something else is there."""
    if target.resolve().is_relative_to(services.storage.root.resolve()):
        raise InvalidInput("The folder lies inside the workspace.", field="folder")
    found = [services.experiments.get(name) for name in dict.fromkeys(names)]
    folder = _Folder(services.storage, form.prepare(target))
    report = ExportReport(str(target))
    with services.storage.database.read() as queries:
        others = {i.number: {k.field: k.listed(queries, i.number) for k in KINDS} for i in found}
    total = sum(info.run_count for info in found)
    total += sum(len(ids) for of_one in others.values() for ids in of_one.values())
    steps = count(1)
    for info in found:
        runs = _put_runs(services, info.name, folder, report, lambda: progress(next(steps), total))
        listed: dict[str, dict[str, str]] = {}
        for kind in KINDS:
            listed[kind.field] = {}
            for id_ in others[info.number][kind.field]:
                with _leaving_out(report, kind.what, id_):
                    if (digest := folder.put_one(kind, info.number, id_)) is not None:
                        listed[kind.field][id_] = digest
                progress(next(steps), total)
            counted = getattr(report, kind.field) + len(listed[kind.field])
            setattr(report, kind.field, counted)
        path = target / form.EXPERIMENTS / f"{info.experiment_id}.json"
        whole = ExportedExperiment(_record(info), runs, **listed)
        write_atomic(path, form.encode(whole), durable=True)
        report.experiments += 1
    report.repaired = folder.repaired
    return report


def _put_runs(
    services: Services,
    experiment: str,
    folder: "_Folder",
    report: ExportReport,
    is_done: Callable[[], None],
) -> dict[str, str]:
    """Put an experiment's runs; the digests of their descriptions in the order of their numbers."""
    runs: dict[str, str] = {}
    for run in _runs(services, experiment):
        with _leaving_out(report, "run", run.run_id):
            if not run.state.is_terminal and run.kind != "external":
                raise Conflict("It goes on.")
            runs[run.run_id] = folder.put_run(run.run_id)
            report.runs += 1
        is_done()
    return dict(reversed(runs.items()))


@contextmanager
def _leaving_out(report: ExportReport, what: str, id_: str) -> Iterator[None]:
    """Report one that can't be exported, and go on."""
    try:
        yield
    except WorkspaceError as error:
        report.left_out.append(NotMapped(what, id_, error.message))


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
        return self._put_description(exported)

    def put_one(self, kind: Kind, experiment: int, id_: str) -> str | None:
        """Put one of an experiment's other things; the digest of its description, None where it was
        removed meanwhile."""
        blobs = self._storage.blobs
        with self._storage.database.read() as queries:
            record = kind.read(queries, experiment, id_)
        if record is None:
            return None
        for _, one, _ in belongings.files(record):
            self._put(one, partial(blobs.size, one), partial(blobs.open, one))
        return self._put_description(record)

    def _put_description(self, record: Struct) -> str:
        raw = form.encode(record)
        if len(raw) > form.DESCRIBED:
            raise InvalidInput(f"Its description is larger than {form.DESCRIBED} bytes.")
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
