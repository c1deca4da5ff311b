"""Traces, issues, scorers and evaluation datasets of an MLflow store, taken into a workspace."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.api.types import RunId, Word
from ml_workspace_lab.errors import InvalidInput, WorkspaceError, shown
from ml_workspace_lab.evaluation.moving import MovedRecord, SamplingRecord, check_sampling
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.tracing.announced import SIZE, announced
from ml_workspace_lab.tracing.model import AssessmentRecord
from ml_workspace_lab.tracing.moving import SpanRecord, TraceRecord
from ml_workspace_lab.tracing.service import SPANS_FILE, SPANS_TAG
from ml_workspace_lab.transfer import placing
from ml_workspace_lab.transfer.belongings import KINDS, Kind
from ml_workspace_lab.transfer.mlflow_artifacts import NOT_THERE, ArtifactRoot
from ml_workspace_lab.transfer.mlflow_files import read_all
from ml_workspace_lab.transfer.mlflow_source import Source, SourceThing
from ml_workspace_lab.transfer.report import ImportReport, batches, keep_fitting
from ml_workspace_lab.transfer.taking import Taker

AT_ONCE = {"traces": 50}
"""Things of a kind that are read together, where it is more than one."""
IN_DATABASE = "TRACKING_STORE"
"""What the tag of a trace says whose spans are in the database."""
ARCHIVE_TAG = "mlflow.trace.archiveLocation"
_ATTACHED = "mlflow-attachment://"

_PARTS: dict[str, tuple[str, str, Any]] = {
    "spans": ("span", "span_id", SpanRecord),
    "assessments": ("assessment", "assessment_id", AssessmentRecord),
    "records": ("record", "record_id", MovedRecord),
}
"""What the parts of a record are called, what each is known by, and their type."""


class Belongings:
    """Takes what experiments have beside their runs. A thing that is here already stays as it is;
    what can't be kept is left out and told, of a thing its parts one by one."""

    def __init__(
        self, storage: Storage, source: Source, root: ArtifactRoot, report: ImportReport
    ) -> None:
        self._storage = storage
        self._source = source
        self._root = root
        self._report = report

    def take(
        self,
        experiment: str,
        number: int,
        ids: Mapping[str, Sequence[str]],
        done: Callable[[int], None],
    ) -> None:
        """Take the belongings of these ids, by the field of their kind, into the experiment of that
        number. `done` is told of each part how many they were."""
        taker = Taker(self._storage, number, self._report)
        for kind in KINDS:
            for some in batches(ids.get(kind.field, ()), AT_ONCE.get(kind.field, 1)):
                for thing in self._read(kind, experiment, some):
                    try:
                        self._take(taker, kind, thing)
                    except WorkspaceError as error:
                        self._leave_out(kind.what, thing.id, error.message)
                done(len(some))

    def _read(self, kind: Kind, experiment: str, ids: Sequence[str]) -> list[SourceThing]:
        return read_all(
            ids,
            lambda some: self._source.things(kind.field, experiment, some),
            lambda id_, reason: self._leave_out(kind.what, id_, reason),
        )

    def _take(self, taker: Taker, kind: Kind, thing: SourceThing) -> None:
        with placing.contents(self._storage) as contents:
            values = thing.values
            if kind.record is TraceRecord:
                place, reason = self._root.folder(thing.artifact_uri)
                files = [] if place is None else self._files(thing, place, contents)
                values = {**values, "files": files}
                self._tell_what_is_missing(thing.id, values, reason)
            record = self._record(kind, thing.id, values)
            if isinstance(record, TraceRecord):
                record = self._with_true_count(record)
            if not taker.is_here(kind, record):
                taker.add(kind, record, contents)

    def _record(self, kind: Kind, owner: str, values: dict[str, Any]) -> Struct:
        """The record of these values, checked as what comes from anybody; without those of its
        parts that it can't have. Raises InvalidInput."""
        if values.get("sampling") is not None:
            values = self._with_fitting_sampling(owner, values)
        try:
            return convert(values, kind.record, kept=True)
        except InvalidInput:
            return convert(self._fitting(owner, values), kind.record, kept=True)

    def _fitting(self, owner: str, values: dict[str, Any]) -> dict[str, Any]:
        """The values without such parts as no record can have."""
        found = dict(values)
        for name in ("tags", "metadata"):
            if name in values:
                what = name.removesuffix("s")
                found[name] = keep_fitting(values[name], Word, self._report, what, owner)
        for name, (what, key, type_) in _PARTS.items():
            if name in values:
                told = ((one, one.get(key)) for one in values[name])
                found[name] = self._those_that_are(type_, what, owner, told)
        if "runs" in values:
            told = ((one, one) for one in values["runs"])
            found["runs"] = self._those_that_are(RunId, "link to a run", owner, told)
        return found

    def _those_that_are(
        self, type_: Any, what: str, owner: str, parts: Iterable[tuple[Any, object]]
    ) -> list[Any]:
        found = []
        for part, id_ in parts:
            try:
                convert(part, type_, kept=True)
            except InvalidInput as error:
                self._leave_out(what, f"{owner}/{id_}", error.message)
            else:
                found.append(part)
        return found

    def _with_fitting_sampling(self, owner: str, values: dict[str, Any]) -> dict[str, Any]:
        try:
            check_sampling(convert(values["sampling"], SamplingRecord, kept=True))
        except InvalidInput as error:
            self._leave_out("scorer's sampling", owner, error.message)
            return {**values, "sampling": None}
        return values

    def _files(
        self, thing: SourceThing, place: Path, contents: placing.Contents
    ) -> list[dict[str, Any]]:
        """The files of a trace, each kept."""

        def leave_out(name: str, reason: str) -> None:
            self._leave_out("trace's file", f"{thing.id}/{name}", reason)

        found = []
        for name, path in self._root.files(place, leave_out):
            try:
                held = contents.put(path)
            except OSError as error:
                leave_out(name, f"It can't be read: {error.strerror}.")
                continue
            found.append(
                {
                    "path": name,
                    "digest": held.digest,
                    "size": held.size,
                    "created": thing.values["created"],
                }
            )
        return sorted(found, key=lambda one: str(one["path"]))

    def _tell_what_is_missing(self, trace_id: str, values: dict[str, Any], reason: str) -> None:
        """Tell of a trace whose spans or attachments are not in the store, and are not found where
        its files lie; `reason` says why there are none."""
        tags, files = values["tags"], [one["path"] for one in values["files"]]
        if reason in ("", NOT_THERE):
            reason = "Their files are not on this machine, or were never made."
        if archive := tags.get(ARCHIVE_TAG):
            self._leave_out("trace's spans", trace_id, f"They are archived in {shown(archive)}.")
        elif tags.get(SPANS_TAG) == IN_DATABASE:
            if not files and any(_ATTACHED in span["body"] for span in values["spans"]):
                self._leave_out("trace's attachments", trace_id, reason)
        elif SPANS_FILE not in files and not values["spans"]:
            self._leave_out("trace's spans", trace_id, reason)

    def _with_true_count(self, trace: TraceRecord) -> TraceRecord:
        """The trace without statistics that count more spans than there are here, where clients
        would wait for the others."""
        in_a_file = any(one.path == SPANS_FILE for one in trace.files)
        if in_a_file or announced(trace.metadata) <= len(trace.spans):
            return trace
        what = f"{trace.trace_id}/{SIZE}"
        self._leave_out("metadata", what, "It counts spans that are not here.")
        rest = {name: value for name, value in trace.metadata.items() if name != SIZE}
        return replace(trace, metadata=rest)

    def _leave_out(self, what: str, which: object, reason: str) -> None:
        self._report.leave_out(what, str(which).encode("utf-8", "replace").decode(), reason)
