"""Taking an MLflow store into a workspace: experiments, runs, models, traces, ..., each once."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ml_workspace_lab.errors import InvalidInput, NotFound, WorkspaceError, shown
from ml_workspace_lab.experiments.points import Points
from ml_workspace_lab.experiments.records import (
    ArtifactRecord,
    ExperimentRecord,
    RunRecord,
    place_experiment,
    summaries,
    write,
)
from ml_workspace_lab.models.logged_model import LoggedModelFile
from ml_workspace_lab.models.records import LoggedModelRecord, write_logged
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.transfer import mlflow_mapping as mapping
from ml_workspace_lab.transfer import placing
from ml_workspace_lab.transfer.mlflow_artifacts import NOT_FETCHED, NOT_THERE, ArtifactRoot
from ml_workspace_lab.transfer.mlflow_belongings import Belongings
from ml_workspace_lab.transfer.mlflow_files import read_all
from ml_workspace_lab.transfer.mlflow_opening import open_source, without_password
from ml_workspace_lab.transfer.mlflow_registry import Registry
from ml_workspace_lab.transfer.mlflow_source import Source, SourceExperiment, SourceModel, SourceRun
from ml_workspace_lab.transfer.report import ImportReport, Progress, batches

AT_ONCE = 50
"""Runs that one transaction takes."""


class MlflowImport:
    """One import. What is committed stays where it is cut short; another import goes on then."""

    def __init__(
        self, services: Services, source: Source, root: Path | None, report: ImportReport
    ) -> None:
        self._services = services
        self._storage = services.storage
        self._source = source
        self._root = ArtifactRoot(root)
        self._report = report
        self._missing = dict.fromkeys((NOT_THERE, NOT_FETCHED), 0)

    def run(self, progress: Progress) -> None:
        source = self._source
        experiments = source.experiments()
        runs = {one.id: source.run_ids(one.id) for one in experiments}
        things = {one.id: source.belongings(one.id) for one in experiments}
        kinds = [ids for of_one in things.values() for ids in of_one.values()]
        total, steps = sum(map(len, [*runs.values(), *kinds])), 0

        def done(count: int) -> None:
            nonlocal steps
            steps += count
            progress(steps, total)

        belongings = Belongings(self._storage, source, self._root, self._report)
        for experiment in experiments:
            row = self._place(experiment)
            if row is None:
                done(len(runs[experiment.id]) + sum(map(len, things[experiment.id].values())))
                continue
            for some in batches(runs[experiment.id], AT_ONCE):
                self._take_runs(experiment, row, self._read(some))
                done(len(some))
            self._take_models(row, source.logged_models(experiment.id))
            belongings.take(experiment.id, row["id"], things[experiment.id], done)
        Registry(self._services, self._root, self._report).take(source.registered_models())
        for reason, count in self._missing.items():
            if count:
                self._report.leave_out("folders of artifacts", count, reason)
        self._report.not_mapped += source.unread()
        for what, count in source.others():
            if count:
                self._report.leave_out(what, count, "The import takes no such things.")

    def _read(self, ids: Sequence[str]) -> list[SourceRun]:
        """These runs; one whose records are damaged is reported."""
        return read_all(ids, self._source.runs, partial(self._report.leave_out, "run"))

    def _place(self, experiment: SourceExperiment) -> Row | None:
        """The row of the experiment here; None where its runs can't be taken."""
        report = self._report
        created = experiment.created or 0
        record = ExperimentRecord(
            name=mapping.experiment_name(experiment, report),
            created=created,
            updated=experiment.updated or created,
            description=experiment.tags.get(mapping.NOTE, ""),
            tags=mapping.fitting_tags(experiment, report),
            deleted=_deletion(experiment) if experiment.deleted else None,
        )
        with self._storage.database.write() as transaction:
            is_default = experiment.id == "0"
            row, is_new = place_experiment(transaction, record, as_default=is_default)
        report.experiments += is_new
        if row["deleted"] is not None and not experiment.deleted:
            reason = f"{record.name!r} is in the trash here: restore or purge it first."
            report.leave_out("experiment", experiment.id, reason)
            return None
        return row

    def _take_runs(self, experiment: SourceExperiment, row: Row, runs: Sequence[SourceRun]) -> None:
        database = self._storage.database
        with placing.contents(self._storage) as contents:
            made = []
            for run in runs:
                is_here = placing.is_here(database, run.id)
                keep = _size if is_here else contents.put
                try:
                    record = mapping.run_record(
                        run,
                        self._artifacts(run.id, run.artifact_uri, run.start or 0, keep),
                        _moment_deleted(experiment, run),
                        self._report,
                    )
                except WorkspaceError as error:
                    self._report.leave_out("run", run.id, error.message)
                    continue
                made.append((run, record, mapping.metrics(run, self._report), is_here))
            with database.write() as transaction:
                contents.require()
                for run, record, points, was_here in made:
                    if not self._is_known(transaction, record, points, was_here=was_here):
                        self._write(transaction, row["id"], (run, record), points)

    def _is_known(
        self,
        queries: Queries,
        record: RunRecord,
        points: dict[str, Points],
        *,
        was_here: bool,
    ) -> bool:
        """Whether a run is here; what is different is reported."""
        different = placing.differences(queries, record, points)
        if different:
            self._report.leave_out("run", record.run_id, placing.told(different))
        elif different is not None:
            self._report.skipped += 1
        elif was_here:
            self._report.leave_out("run", record.run_id, "It was purged meanwhile: import again.")
        return was_here or different is not None

    def _write(
        self,
        transaction: Transaction,
        experiment: int,
        made: tuple[SourceRun, RunRecord],
        points: dict[str, Points],
    ) -> None:
        run, record = made
        write(transaction, experiment, record, points=points)
        self._report.count(record, points)
        mapping.check_latest(run, summaries(transaction, run.id), self._report)

    def _take_models(self, experiment: Row, models: Sequence[SourceModel]) -> None:
        for model in models:
            with placing.contents(self._storage) as contents:
                try:
                    files = self._artifacts(
                        model.id, model.artifact_uri, model.created, contents.put
                    )
                    record = mapping.logged_model(model, _model_files(files), self._report)
                except WorkspaceError as error:
                    self._report.leave_out("logged model", model.id, error.message)
                    continue
                with self._storage.database.write() as transaction:
                    contents.require()
                    self._write_model(transaction, experiment, record)

    def _write_model(
        self, transaction: Transaction, experiment: Row, record: LoggedModelRecord
    ) -> None:
        if write_logged(transaction, experiment["id"], record):
            self._report.logged_models += 1

    def _artifacts(
        self, owner: str, uri: str, created: int, keep: Callable[[Path], placing.Sized]
    ) -> list[ArtifactRecord]:
        """The artifacts that lie at a URI, each kept."""

        def leave_out(name: str, reason: str) -> None:
            self._report.leave_out("artifact", f"{owner}/{name}", reason)

        place, reason = self._root.folder(uri)
        if place is None:
            if reason in self._missing:
                self._missing[reason] += 1
            elif reason:
                leave_out("", reason)
            return []
        found = []
        for name, path in self._root.files(place, leave_out):
            try:
                found.append(placing.artifact(name, keep(path), created))
            except OSError as error:
                leave_out(name, f"It can't be read: {error.strerror}.")
        return found


def _moment_deleted(experiment: SourceExperiment, run: SourceRun) -> int | None:
    if experiment.deleted:
        return _deletion(experiment)
    return (run.deleted_time or now()) if run.deleted else None


def _deletion(experiment: SourceExperiment) -> int:
    """When the experiment was deleted, with all of its runs."""
    return experiment.updated or 1


def _model_files(artifacts: Sequence[ArtifactRecord]) -> list[LoggedModelFile]:
    return [LoggedModelFile(one.path, one.digest, one.size, one.created) for one in artifacts]


def _size(path: Path) -> placing.Sized:
    """What is known of a file without reading it."""
    return placing.Sized("0" * 64, path.stat().st_size)


def import_mlflow(
    services: Services, uri: str, artifacts: Path | None, progress: Progress
) -> ImportReport:
    """Take over the MLflow store at a URI or in a folder, with artifacts that lie below a folder
    (default: the store's own). Raises InvalidInput or NotFound where one of them isn't there."""
    if artifacts is not None and not artifacts.is_dir():
        raise NotFound(f"There is no folder {shown(artifacts)}.", field="artifacts")
    source, root = open_source(uri)
    report = ImportReport(without_password(uri))
    try:
        MlflowImport(services, source, artifacts or root, report).run(progress)
    except sqlite3.DatabaseError as error:
        raise InvalidInput(f"The store is damaged: {error}.", field="source") from None
    return report
