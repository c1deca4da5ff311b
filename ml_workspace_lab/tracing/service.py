"""Traces: logged, found, described and deleted."""

from collections.abc import Sequence
from typing import BinaryIO

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Name, Nothing, RelativePath
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.artifacts import GIB, media_type
from ml_workspace_lab.storage.database import Transaction, now
from ml_workspace_lab.storage.paths import relative
from ml_workspace_lab.tracing import assessment_store, correlation, figures, search, store
from ml_workspace_lab.tracing.figures_model import (
    AskFigures,
    CorrelateTraces,
    FigureList,
    TraceCorrelation,
)
from ml_workspace_lab.tracing.model import (
    AddSpans,
    Deleted,
    DeleteTraces,
    SearchTraces,
    Span,
    SpanList,
    StartTrace,
    TraceFile,
    TraceFileList,
    TraceId,
    TraceInfo,
    TraceList,
    UpdateTrace,
)

NAME_TAG = "mlflow.traceName"
SPANS_TAG = "mlflow.trace.spansLocation"
SOURCE_RUN = "mlflow.sourceRun"
ARTIFACTS_TAG = "mlflow.artifactLocation"
"""The tag that tells clients where the files of a trace lie."""
SPANS_FILE = "traces.json"
"""The file of a trace that has its spans where they were not sent."""
SPANS_LIMIT = 64 * 1024 * 1024


class Traces(Service):
    """Traces of experiments."""

    @operation(
        "POST", "/experiments/{experiment}/traces", action="experiments/runs/write", audited=False
    )
    def start(self, experiment: Name, body: StartTrace) -> TraceInfo:
        """Add a trace, or what is new of one that is there. The experiment is made where there is
        none."""
        with self.storage.database.write() as transaction:
            columns = {
                "created": body.created,
                "duration": body.duration_ms,
                "state": body.state,
                "client_request_id": body.client_request_id,
                "request_preview": body.request_preview,
                "response_preview": body.response_preview,
                "started": 1,
            }
            row = store.find(transaction, body.trace_id)
            if row is None:
                number = self.services.experiments.ensure(transaction, experiment)
                trace = store.insert(transaction, body.trace_id, number, **columns)
            else:
                trace = row["id"]
                if row["started"] < 0:
                    columns["experiment"] = self.services.experiments.ensure(
                        transaction, experiment
                    )
                kept = {name: value for name, value in columns.items() if value is not None}
                store.change(transaction, trace, **kept)
            store.set_pairs(transaction, trace, "tag", body.tags)
            store.set_pairs(transaction, trace, "metadata", body.metadata)
            if source := body.metadata.get(SOURCE_RUN):
                store.link(transaction, trace, [source])
            for one in body.assessments:
                assessment_store.insert(transaction, trace, one)
        return self.get(body.trace_id)

    @operation(
        "POST",
        "/experiments/{experiment}/spans",
        action="experiments/runs/write",
        body_limit=SPANS_LIMIT,
        audited=False,
    )
    def add_spans(self, experiment: Name, body: AddSpans) -> Nothing:
        """Add spans to their traces; a trace is made where there is none."""
        by_trace: dict[str, list[Span]] = {}
        for span in body.items:
            by_trace.setdefault(span.trace_id, []).append(span)
        with self.storage.database.write() as transaction:
            for trace_id, spans in by_trace.items():
                self._add(transaction, experiment, trace_id, spans)
        return Nothing()

    @operation("GET", "/traces/{trace_id}", action="experiments/runs/read")
    def get(self, trace_id: TraceId) -> TraceInfo:
        """A trace as it is now, without its spans. Raises NotFound."""
        database = self.storage.database
        return store.infos(database, [store.row_of(database, trace_id)])[0]

    @operation("GET", "/traces/{trace_id}/spans", action="experiments/runs/read")
    def spans(self, trace_id: TraceId) -> SpanList:
        """All spans of a trace that have been told of."""
        row = store.row_of(self.storage.database, trace_id)
        return SpanList(store.spans(self.storage.database, row["id"]))

    @operation("POST", "/trace-search", action="experiments/runs/read", audited=False)
    def search(self, body: SearchTraces) -> TraceList:
        """Traces of some experiments that a filter matches, newest first unless `order_by` says
        otherwise."""
        return search.traces(self.storage.database, body)

    @operation("POST", "/trace-figures", action="experiments/runs/read", audited=False)
    def figures(self, body: AskFigures) -> FigureList:
        """One figure over the traces of some experiments: how many, how long, how many tokens, at
        what cost, and how they are judged."""
        return figures.ask(self.storage.database, body)

    @operation("POST", "/trace-correlation", action="experiments/runs/read", audited=False)
    def correlate(self, body: CorrelateTraces) -> TraceCorrelation:
        """How many traces match two filters, each and both, and how much that says."""
        return correlation.of_filters(self.storage.database, body)

    @operation("PATCH", "/traces/{trace_id}", action="experiments/runs/write")
    def update(self, trace_id: TraceId, body: UpdateTrace) -> TraceInfo:
        """Set and remove tags, link runs. Raises NotFound for a run that isn't there; a trace that
        is only linked may come later, since clients send traces by and by."""
        for run_id in body.link_runs:
            self.services.runs.get(run_id)
        with self.storage.database.write() as transaction:
            is_link = body.link_runs and not (body.tags or body.remove_tags)
            if is_link and store.find(transaction, trace_id) is None:
                store.expect(transaction, trace_id, body.link_runs[0])
            row = store.find(transaction, trace_id) if is_link else None
            row = row or store.row_of(transaction, trace_id)
            store.remove_tags(transaction, row["id"], body.remove_tags)
            store.set_pairs(transaction, row["id"], "tag", body.tags)
            store.link(transaction, row["id"], body.link_runs)
            transaction.event("trace.updated", trace_id)
            return store.infos(transaction, [row])[0]

    @operation("POST", "/experiments/{experiment}/traces/delete", action="experiments/runs/delete")
    def delete(self, experiment: Name, body: DeleteTraces) -> Deleted:
        """Delete traces for good: those named, or those up to a moment."""
        if bool(body.trace_ids) == (body.until is not None):
            raise InvalidInput("Give either trace_ids or until.", field="trace_ids")
        number = self.services.experiments.get(experiment).number
        with self.storage.database.write() as transaction:
            if body.trace_ids:
                named = (store.find(transaction, one) for one in dict.fromkeys(body.trace_ids))
                rows = [row for row in named if row and row["experiment"] == number]
            else:
                rows = transaction.all(
                    "SELECT id, uid FROM trace WHERE experiment = :number AND created <= :until"
                    " ORDER BY created, uid LIMIT :limit",
                    number=number,
                    until=body.until,
                    limit=body.limit or 2**31,
                )
            store.delete(transaction, rows)
        return Deleted(len(rows))

    @operation("GET", "/traces/{trace_id}/files", action="experiments/runs/read")
    def files(self, trace_id: TraceId) -> TraceFileList:
        """The files of a trace, by path."""
        row = store.row_of(self.storage.database, trace_id)
        found = store.files(self.storage.database, row["id"])
        return TraceFileList([TraceFile(one["path"], one["size"]) for one in found])

    @operation("GET", "/traces/{trace_id}/files/{path}", action="experiments/runs/read")
    def file(self, trace_id: TraceId, path: RelativePath) -> Content:
        """The bytes of one file."""
        path = relative(path)
        row = store.row_of(self.storage.database, trace_id)
        for one in store.files(self.storage.database, row["id"]):
            if one["path"] == path:
                return Content(
                    stream=self.storage.blobs.open(one["digest"]),
                    size=one["size"],
                    media_type=media_type(path),
                    filename=path.rpartition("/")[2],
                )
        raise _no_file(trace_id, path)

    @operation(
        "PUT",
        "/traces/{trace_id}/files/{path}",
        action="experiments/runs/write",
        body_limit=16 * GIB,
        audited=False,
    )
    def put_file(self, trace_id: TraceId, path: RelativePath, content: BinaryIO) -> Nothing:
        """Keep `content` under `path`; a file that was there is replaced."""
        path = relative(path)
        store.row_of(self.storage.database, trace_id)
        with (
            self.storage.blobs.hold(content) as held,
            self.storage.database.write() as transaction,
        ):
            row = store.row_of(transaction, trace_id)
            held.require()
            store.put_file(transaction, row["id"], path, held.digest, held.size, now())
        return Nothing()

    @operation("DELETE", "/traces/{trace_id}/files/{path}", action="experiments/runs/write")
    def delete_file(self, trace_id: TraceId, path: RelativePath) -> Nothing:
        """Take one file of a trace away."""
        path = relative(path)
        with self.storage.database.write() as transaction:
            row = store.row_of(transaction, trace_id)
            gone = transaction.execute(
                "DELETE FROM trace_file WHERE trace = :trace AND path = :path",
                trace=row["id"],
                path=path,
            )
            if gone.rowcount == 0:
                raise _no_file(trace_id, path)
        return Nothing()

    def _add(
        self, transaction: Transaction, experiment: str, trace_id: str, spans: Sequence[Span]
    ) -> None:
        row = store.find(transaction, trace_id)
        begin = min(span.started for span in spans) // 1_000_000
        new = {"created": begin, "state": "IN_PROGRESS", "started": 0}
        if row is None:
            number = self.services.experiments.ensure(transaction, experiment)
            trace = store.insert(transaction, trace_id, number, **new)
        else:
            trace = row["id"]
            if row["started"] < 0:
                new["experiment"] = self.services.experiments.ensure(transaction, experiment)
                store.change(transaction, trace, **new)
        store.put_spans(transaction, trace, spans)
        store.set_pairs(transaction, trace, "tag", {SPANS_TAG: "TRACKING_STORE"})
        root = next((span for span in spans if span.parent_id is None), None)
        if root is not None and not (row and row["started"] > 0):
            _tell_of_end(transaction, trace, root)


def _tell_of_end(transaction: Transaction, trace: int, root: Span) -> None:
    """Whoever sends spans alone ends a trace with its root."""
    store.change(
        transaction,
        trace,
        created=root.started // 1_000_000,
        duration=max(0, root.ended - root.started) // 1_000_000,
        state="ERROR" if root.status == "ERROR" else "OK",
        request_preview=root.request_preview,
        response_preview=root.response_preview,
    )
    store.set_pairs(transaction, trace, "tag", {NAME_TAG: root.name})


def _no_file(trace_id: str, path: str) -> NotFound:
    return NotFound(f"Trace {trace_id} has no file {path!r}.", field="path")
