"""TensorBoard's folders as an experiment: each folder with event files is a run."""

import hashlib
import unicodedata
from collections import Counter
from io import BytesIO
from pathlib import Path, PurePosixPath

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput, NotFound, WorkspaceError, shown
from ml_workspace_lab.experiments.artifacts import media_type
from ml_workspace_lab.experiments.model import RunState, StateChange, UpdateRun
from ml_workspace_lab.experiments.points import Points, as_columns
from ml_workspace_lab.experiments.records import (
    ArtifactRecord,
    ExperimentRecord,
    RunRecord,
    add_points,
    move_end,
    place_experiment,
    write,
)
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.transfer import placing
from ml_workspace_lab.transfer.event_file import Told, tell
from ml_workspace_lab.transfer.report import ImportReport, Progress, fitting_name, keep_fitting
from ml_workspace_lab.transfer.tfrecord import records

PATTERN = "*tfevents*"
FOLDER_TAG = "tensorboard.logdir"
PACKED = 64
NAME_LENGTH = 255
_PICTURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "webp"}


def import_tensorboard(
    services: Services, logdir: Path, experiment: str | None, progress: Progress
) -> ImportReport:
    """Take over event files. Of a run that was taken over before, what is new is added. Raises
    NotFound, and InvalidInput where there are none."""
    if not logdir.is_dir():
        raise NotFound(f"There is no folder {shown(logdir)}.", field="folder")
    folders = sorted({path.parent for path in logdir.rglob(PATTERN) if path.is_file()})
    if not folders:
        raise InvalidInput(f"There are no event files below {shown(logdir)}.", field="folder")
    report = ImportReport(str(logdir))
    name = experiment or fitting_name(logdir.resolve().name, NAME_LENGTH, "TensorBoard")
    with services.storage.database.write() as transaction:
        row, is_new = place_experiment(transaction, ExperimentRecord(name, now(), now()))
    report.experiments += is_new
    if row["deleted"] is not None:
        raise InvalidInput(
            f"The experiment {name!r} is in the trash.", field="experiment", hint="Restore it."
        )
    elsewhere: Counter[str] = Counter()
    for done, folder in enumerate(folders):
        try:
            there = _Taker(services, logdir.resolve(), folder, report).take(row["id"])
            if there is not None and there != name:
                elsewhere[there] += 1
        except WorkspaceError as error:
            report.leave_out("run", folder, error.message)
        progress(done + 1, len(folders))
    for there, count in elsewhere.items():
        reason = f"They are in the experiment {there!r} since an earlier import, and stay there."
        report.leave_out("runs", count, reason)
    return report


class _Taker:
    """Takes the event files of one folder."""

    def __init__(
        self, services: Services, logdir: Path, folder: Path, report: ImportReport
    ) -> None:
        self._services = services
        self._storage = services.storage
        self._folder = folder.resolve()
        self._name = self._folder.relative_to(logdir).as_posix()
        self._uid = hashlib.sha256(f"tensorboard\0{self._folder}".encode()).hexdigest()[:32]
        self._report = report

    def take(self, experiment: int) -> str | None:
        """Add the run to an experiment; the name of that where it was before, and got what is
        new."""
        told = self._read()
        if not (told.metrics or told.texts or told.pictures or told.params or told.others):
            return None
        metrics = keep_fitting(told.metrics, None, self._report, "metric", self._name)
        points: dict[str, Points] = {
            name: as_columns(found) if len(found[0]) >= PACKED else found
            for name, found in metrics.items()
        }
        params = keep_fitting(told.params, Scalar, self._report, "parameter", self._name)
        for plugin, count in told.others.items():
            self._report.leave_out(plugin, self._name, f"{count} of them have no place here.")
        with placing.contents(self._storage) as contents:
            if placing.is_here(self._storage.database, self._uid):
                return self._extend(told, points, params)
            record = self._record(told, params, self._artifacts(told, contents))
            with self._storage.database.write() as transaction:
                contents.require()
                write(transaction, experiment, record, points=points)
            self._report.count(record, points)
        return None

    def _read(self) -> Told:
        told = Told()
        for path in sorted(self._folder.glob(PATTERN)):
            place = PurePosixPath(self._name, path.name)
            refused: list[str] = []
            try:
                with path.open("rb") as stream:
                    for number, event in enumerate(records(stream), 1):
                        try:
                            tell(event, told)
                        except InvalidInput as error:
                            refused.append(f"Record {number}: {error.message}")
            except (WorkspaceError, OSError) as error:
                self._report.leave_out("rest of a file", place, str(error))
            if refused:
                more = f" And {len(refused) - 1} more." if len(refused) > 1 else ""
                self._report.leave_out("event", place, refused[0] + more)
        return told

    def _record(
        self, told: Told, params: dict[str, Scalar], artifacts: list[ArtifactRecord]
    ) -> RunRecord:
        created, ended = _span(told)
        state = _state(told)
        name = self._folder.name if self._name == "." else self._name
        return RunRecord(
            run_id=self._uid,
            kind="external",
            display_name=fitting_name(name, NAME_LENGTH, self._uid),
            state=state,
            user="tensorboard",
            created=created,
            started=created,
            ended=ended,
            params=params,
            tags={FOLDER_TAG: str(self._folder)},
            history=[
                StateChange(RunState.NOT_STARTED, created, ""),
                StateChange(RunState.RUNNING, created, ""),
                StateChange(state, ended, ""),
            ],
            artifacts=artifacts,
        )

    def _extend(self, told: Told, points: dict[str, Points], params: dict[str, Scalar]) -> str:
        """Add what a run that was taken over before does not have yet; its experiment's name."""
        present = self._services.runs.get(self._uid)
        with self._storage.database.write() as transaction:
            added = add_points(transaction, self._uid, points)
            move_end(transaction, self._uid, _state(told), _span(told)[1])
        known = {one.path for one in self._services.artifacts.list(self._uid).items}
        files = {path: raw for path, raw in self._files(told).items() if path not in known}
        for path, raw in files.items():
            self._services.artifacts.put_bytes(self._uid, path, raw)
            self._report.artifacts += 1
            self._report.artifact_bytes += len(raw)
        new = {name: value for name, value in params.items() if name not in present.params}
        if new:
            self._services.runs.update(self._uid, UpdateRun(params=new))
        self._report.points += added
        self._report.params += len(new)
        self._report.skipped += not (added or files or new)
        return present.experiment

    def _artifacts(self, told: Told, contents: placing.Contents) -> list[ArtifactRecord]:
        _, created = _span(told)
        found = []
        for path, raw in self._files(told).items():
            kept = contents.take(BytesIO(raw))
            found.append(ArtifactRecord(path, kept.digest, kept.size, media_type(path), created))
        return found

    def _files(self, told: Told) -> dict[str, bytes]:
        """Texts and pictures as files."""
        found = {
            f"text/{_path(tag)}/{step}.md": content.encode()
            for (tag, step), content in told.texts.items()
        }
        for picture in told.pictures:
            kind = next(
                (k for head, k in _PICTURES.items() if picture.content.startswith(head)), ""
            )
            if not kind:
                reason = f"{picture.tag!r} at step {picture.step} is of an unknown kind."
                self._report.leave_out("image", self._name, reason)
                continue
            number = f"-{picture.index}" if picture.index else ""
            path = f"images/{_path(picture.tag)}/{picture.step}{number}.{kind}"
            found[path] = picture.content
        return found


def _state(told: Told) -> RunState:
    return RunState.FAILED if told.failed else RunState.COMPLETED


def _span(told: Told) -> tuple[int, int]:
    """When the first event was and the last one; now, where none has a time."""
    if told.first is None or told.last is None:
        return (moment := now()), moment
    return round(told.first * 1000), round(told.last * 1000)


def _path(tag: str) -> str:
    """The tag as a path; one that is none, or is too long, is told from others by its digest."""
    plain = "".join(c if c.isprintable() and c not in "\\:" else "_" for c in tag)
    parts = [part if part not in (".", "..") else "_" for part in plain.split("/") if part]
    path = "/".join(part[:60] for part in parts[:10])
    if path == unicodedata.normalize("NFC", tag):
        return path
    return f"{path}_{hashlib.sha256(tag.encode('utf-8', 'replace')).hexdigest()[:8]}"
