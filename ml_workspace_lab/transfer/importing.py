"""Experiments from an exported folder, which may come from anybody."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from ml_workspace_lab.errors import InvalidInput, WorkspaceError
from ml_workspace_lab.experiments.records import place_experiment, write
from ml_workspace_lab.models.records import write_logged
from ml_workspace_lab.services import Services
from ml_workspace_lab.snapshots.model import SnapshotFile
from ml_workspace_lab.storage import chunks
from ml_workspace_lab.storage.database import Transaction
from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.paths import relative
from ml_workspace_lab.transfer import belongings, placing
from ml_workspace_lab.transfer import folder as form
from ml_workspace_lab.transfer.belongings import KINDS, Kind
from ml_workspace_lab.transfer.exporting import describe
from ml_workspace_lab.transfer.folder import ExportedExperiment, ExportedRun, ExportedSnapshot
from ml_workspace_lab.transfer.report import ImportReport, Progress
from ml_workspace_lab.transfer.taking import Taker

SERIES = 4 * 1024**3
"""Bytes that the metrics of a run have at most."""


def import_folder(services: Services, source: Path, progress: Progress) -> ImportReport:
    """Take all of an exported folder that is not here yet. What is here with other content, or is
    damaged, is reported. Raises InvalidInput where it is no such folder."""
    form.check(source)
    report = ImportReport(str(source))
    lists = []
    for path in sorted((source / form.EXPERIMENTS).glob("*.json")):
        try:
            lists.append(form.read(path, ExportedExperiment, form.LISTED))
        except WorkspaceError as error:
            report.leave_out("experiment", path.stem, error.message)
    if not lists and not report.not_mapped:
        reason = "It lists no experiments: its export was cut short. Export again."
        report.leave_out("folder", source, reason)
    fields = ("runs", *(kind.field for kind in KINDS))
    total = sum(len(getattr(listed, field)) for listed in lists for field in fields)
    steps = count(1)
    for listed in lists:
        with services.storage.database.write() as transaction:
            row, is_new = place_experiment(transaction, listed.experiment)
        report.experiments += is_new
        if row["deleted"] is not None:
            reason = "It is in the trash here: restore or purge it first."
            report.leave_out("experiment", listed.experiment.name, reason)
            continue
        taker = _Taker(services, source, row["id"], report)
        for what, id_, take in _all(listed, taker):
            try:
                take()
            except WorkspaceError as error:
                report.leave_out(what, id_, error.message)
            progress(next(steps), total)
    return report


def _all(
    listed: ExportedExperiment, taker: "_Taker"
) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """All that an experiment has: what it is, its id, and taking it."""
    for run_id, digest in listed.runs.items():
        yield "run", run_id, partial(taker.take, run_id, digest)
    for kind in KINDS:
        for id_, digest in getattr(listed, kind.field).items():
            yield kind.what, id_, partial(taker.take_one, kind, id_, digest)


class _Taker:
    """Takes what a folder has into one experiment."""

    def __init__(
        self, services: Services, source: Path, experiment: int, report: ImportReport
    ) -> None:
        self._storage = services.storage
        self._source = source
        self._experiment = experiment
        self._report = report
        self._things = Taker(services.storage, experiment, report)

    def take(self, run_id: str, digest: str) -> None:
        raw = form.content(self._source, digest, form.DESCRIBED)
        given = form.decode(raw, ExportedRun, form.DESCRIBED)
        if placing.is_here(self._storage.database, run_id):
            self._compare(run_id, given)
            return
        _check(run_id, given)
        series = self._series(given)
        with placing.contents(self._storage) as contents:
            self._put_contents(given, contents)
            self._put_files(given)
            with self._storage.database.write() as transaction:
                contents.require()
                if placing.is_here(transaction, run_id):
                    return  # Another import was faster.
                if given.snapshot is not None:
                    _put_snapshot(transaction, given.snapshot)
                write(transaction, self._experiment, given.run, chunks=series)
                for model in given.logged_models:
                    self._report.logged_models += write_logged(transaction, self._experiment, model)
        self._report.count(given.run, {})
        self._report.points += sum(chunks.count(b) for found in series.values() for b in found)

    def take_one(self, kind: Kind, id_: str, digest: str) -> None:
        raw = form.content(self._source, digest, form.DESCRIBED)
        given = form.decode(raw, kind.record, form.DESCRIBED)
        if (said := getattr(given, kind.key)) != id_:
            raise InvalidInput(f"It is described as {said}.")
        if self._things.is_here(kind, given):
            return
        _check_paths([path for path, _, _ in belongings.files(given)])
        with placing.contents(self._storage) as contents:
            for _, one, size in belongings.files(given):
                self._put(one, size, contents)
            self._things.add(kind, given, contents)

    def _compare(self, run_id: str, given: ExportedRun) -> None:
        with self._storage.database.read() as queries:
            present = describe(self._storage, queries, run_id).exported
        parts = [
            *((present, given, name) for name in ExportedRun.__struct_fields__ if name != "run"),
            *((present.run, given.run, name) for name in given.run.__struct_fields__),
        ]
        different = [name for a, b, name in parts if getattr(a, name) != getattr(b, name)]
        if different:
            self._report.leave_out("run", run_id, placing.told(different))
        else:
            self._report.skipped += 1

    def _series(self, given: ExportedRun) -> dict[str, list[bytes]]:
        if given.series is None:
            return {}
        whole = form.content(self._source, given.series, SERIES)
        if sum(map(sum, given.metrics.values())) != len(whole):
            raise InvalidInput("The lengths of its chunks are not those of its series.")
        found: dict[str, list[bytes]] = {}
        at = 0
        for name in sorted(given.metrics):
            for length in given.metrics[name]:
                body = whole[at : at + length]
                chunks.verify(body)
                found.setdefault(name, []).append(body)
                at += length
        return found

    def _put_contents(self, given: ExportedRun, contents: placing.Contents) -> None:
        for one in given.run.artifacts:
            self._put(one.digest, one.size, contents)
        for model in given.logged_models:
            for file in model.files:
                self._put(file.digest, file.size, contents)
        if given.snapshot is not None:
            manifest = form.content(self._source, given.snapshot.digest, form.DESCRIBED)
            for listed in form.decode(manifest, list[SnapshotFile], form.DESCRIBED):
                _check_path(listed.path)
                self._put(listed.digest, listed.size, contents)
            self._put(given.snapshot.digest, len(manifest), contents)

    def _put(self, digest: str, size: int, contents: placing.Contents) -> None:
        with form.open_content(self._source, digest) as stream:
            kept = contents.take(stream, digest)
        if kept.size != size:
            raise InvalidInput(f"The content {digest} has {kept.size} bytes, not {size}.")

    def _put_files(self, given: ExportedRun) -> None:
        files = self._storage.run(given.run.run_id)
        files.create()
        for digest, path in ((given.log, files.log), (given.output_notebook, files.notebook)):
            if digest is not None:
                with form.open_content(self._source, digest) as stream, disk_errors():
                    unfinished = path.with_name(f".{path.name}.unfinished")
                    with unfinished.open("wb") as copy:
                        shutil.copyfileobj(form.Verified(stream, digest), copy)
                    unfinished.replace(path)


def _check(run_id: str, given: ExportedRun) -> None:
    """Raise InvalidInput where what a run says of itself can't be."""
    run = given.run
    if run.run_id != run_id:
        raise InvalidInput(f"It is described as the run {run.run_id}.")
    if not run.state.is_terminal and run.kind != "external":
        raise InvalidInput(f"It is {run.state}: whoever did its work is not here.")
    if (run.snapshot is None) != (given.snapshot is None):
        raise InvalidInput("Its snapshot is missing.")
    if given.snapshot is not None and given.snapshot.digest != run.snapshot:
        raise InvalidInput("Its snapshot is another's.")
    for model in given.logged_models:
        if model.run_id != run_id:
            raise InvalidInput(f"The model {model.model_id} is another run's.")
    places = [one.path for one in run.artifacts]
    each: list[list[str]] = [places, *([f.path for f in m.files] for m in given.logged_models)]
    for paths in each:
        _check_paths(paths)


def _check_paths(paths: list[str]) -> None:
    if len(set(paths)) < len(paths):
        raise InvalidInput("Two of its files have the same path.")
    for path in paths:
        _check_path(path)


def _check_path(path: str) -> None:
    if relative(path) != path:
        raise InvalidInput("A path is not in normal form.")


def _put_snapshot(transaction: Transaction, snapshot: ExportedSnapshot) -> None:
    notices = {"omitted": msgspec.to_builtins(snapshot.omitted), "notes": snapshot.notes}
    transaction.execute(
        "INSERT INTO snapshot (digest, size, notices_json, created)"
        " VALUES (:digest, :size, :notices, :created) ON CONFLICT (digest) DO NOTHING",
        digest=snapshot.digest,
        size=snapshot.size,
        notices=json.dumps(notices),
        created=snapshot.created,
    )
