"""Metrics of a run: appended to journals while it goes on, kept as series, read as both."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, BinaryIO

import msgspec
from msgspec import Meta

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.strict_json import decode
from ml_workspace_lab.api.types import (
    Content,
    Key,
    Nothing,
    Offset,
    RunId,
    number_from_wire,
    number_to_wire,
    text_like,
)
from ml_workspace_lab.errors import InvalidInput, StorageFull, Unavailable
from ml_workspace_lab.experiments import folding, points, run_store, sampling, series_store
from ml_workspace_lab.experiments.history import History, opened
from ml_workspace_lab.experiments.model import (
    JournalMark,
    LogMetrics,
    MetricPage,
    MetricSeries,
    MetricSeriesList,
)
from ml_workspace_lab.storage import journal_reader
from ml_workspace_lab.storage.chunks import Columns, encode
from ml_workspace_lab.storage.database import hardly_waiting, now
from ml_workspace_lab.storage.journal import (
    RECORD,
    JournalWriter,
    folders_written_to,
    following,
)
from ml_workspace_lab.storage.journal_reader import Batch

if TYPE_CHECKING:
    from ml_workspace_lab.services import Services
    from ml_workspace_lab.storage.storage import Storage

MIB = 1024 * 1024
JournalName = Annotated[
    str, text_like(r"^[uw][0-9]{1,10}-[0-9a-f]{8}$(?!\n)", "is not the name of a journal")
]
PointCount = Annotated[int, Meta(ge=4, le=100_000)]


class Metrics(Service):
    """Named values over steps."""

    def __init__(self, storage: "Storage", services: "Services") -> None:
        super().__init__(storage, services)
        self._folded: dict[str, dict[str, int]] = {}
        """How many records of each journal of a run were in the store when it was last folded."""

    @operation("GET", "/runs/{run_id}/metrics", action="experiments/runs/read")
    def get(self, run_id: RunId, name: Key | None = None) -> MetricSeriesList:
        """The values of every metric of the run, or of one."""
        with self._history(run_id) as history:
            names = history.names() if name is None else [name]
            found = {one: history.columns(one) for one in names}
        return MetricSeriesList([_series(one, c) for one, c in found.items() if len(c.steps)])

    @operation("GET", "/runs/{run_id}/metrics/page", action="experiments/runs/read")
    def page(
        self,
        run_id: RunId,
        name: Key,
        start: Offset = 0,
        limit: Annotated[int, Meta(ge=1, le=1_000_000)] = 25_000,
    ) -> MetricPage:
        """At most `limit` values of a metric from the place `start` on."""
        with self._history(run_id) as history:
            columns = history.columns(name)
        part = columns.at(slice(start, start + limit))
        end = start + len(part.steps)
        return MetricPage(_series(name, part), end if end < len(columns.steps) else None)

    @operation("GET", "/runs/{run_id}/metrics/sampled", action="experiments/runs/read")
    def sampled(
        self,
        run_id: RunId,
        name: Key | None = None,
        points: PointCount = 1000,
    ) -> MetricSeriesList:
        """At most `points` values of every metric, or of one, that look as all of them do: the
        least and the greatest value of each stretch are among them."""
        with self._history(run_id) as history:
            names = history.names() if name is None else [name]
            reduced = {one: history.reduced(one, points) for one in names}
        found = {one: sampling.sampled(columns, points) for one, columns in reduced.items()}
        return MetricSeriesList([_series(one, c) for one, c in found.items() if len(c.steps)])

    @operation("GET", "/runs/{run_id}/metrics/columns", action="experiments/runs/read")
    def columns(self, run_id: RunId, name: Key, points: PointCount | None = None) -> Content:
        """All values of a metric (or at most `points` that look as all do) as compressed columns:
        chunks, each after its length in bytes (u32, little-endian)."""
        with self._history(run_id) as history:
            bodies = history.bodies(name) if points is None else []
            reduced = history.reduced(name, points) if points is not None else None
        if reduced is not None and points is not None and len(reduced.steps):
            bodies = [encode(sampling.sampled(reduced, points))]
        content = b"".join(part for body in bodies for part in (struct.pack("<I", len(body)), body))
        return Content(BytesIO(content), len(content), "application/octet-stream", "columns")

    @operation("GET", "/runs/{run_id}/metrics/open", action="experiments/runs/write", audited=False)
    def check(self, run_id: RunId) -> Nothing:
        """Whether metrics may be logged to the run: raises Conflict where it takes no more."""
        run = run_store.writable(self.storage.database, run_id)
        folding.check_takes(self.storage.database, run, "")
        return Nothing()

    @operation(
        "POST",
        "/runs/{run_id}/metrics",
        action="experiments/runs/write",
        audited=False,
        body_limit=64 * MIB,
    )
    def log(self, run_id: RunId, body: LogMetrics) -> Nothing:
        """Add points; they are kept when this returns. Raises Conflict on a run that has ended."""
        with self.storage.database.write(durable=False) as transaction:
            run = run_store.writable(transaction, run_id)
            folding.check_takes(transaction, run, "")
            added: dict[str, points.Arrays] = {}
            for point in body.points:
                steps, times, values = added.setdefault(point.name, points.empty())
                if point.step is None:
                    step = following(steps[-1]) if steps else self._next_step(run_id, point.name)
                    point = msgspec.structs.replace(point, step=step)
                assert point.step is not None
                steps.append(point.step)
                times.append(now() if point.time is None else point.time)
                values.append(number_from_wire(point.value))
            if added:
                series_store.extend(transaction, run, added, unique=body.unique)
                run_store.touch(transaction, run["id"], "run.metrics", run_id)
        return Nothing()

    @operation(
        "POST",
        "/runs/{run_id}/metrics/columns",
        action="experiments/runs/write",
        audited=False,
        body_limit=1024 * MIB,
    )
    def put_columns(self, run_id: RunId, name: Key, content: BinaryIO) -> Nothing:
        """Add many values of a metric: raw columns of steps (i64), times (ms, i64) and values
        (f64), little-endian, one after the other. They are kept when this returns."""
        raw = content.read()
        count, rest = divmod(len(raw), 24)
        if rest or not count:
            raise InvalidInput(
                "content: must be three columns of 8 bytes a value, of equal length.",
                field="content",
            )
        added = points.from_bytes(raw, count)
        with self.storage.database.write(durable=False) as transaction:
            run = run_store.writable(transaction, run_id)
            folding.check_takes(transaction, run, "")
            series_store.extend(transaction, run, {name: added}, unique=False)
            run_store.touch(transaction, run["id"], "run.metrics", run_id)
        return Nothing()

    @operation(
        "PUT",
        "/runs/{run_id}/journals/{journal}",
        action="experiments/runs/write",
        audited=False,
        body_limit=64 * MIB,
    )
    def take(
        self,
        run_id: RunId,
        journal: JournalName,
        first: Offset,
        after_gap: bool = False,
        *,
        content: BinaryIO,
    ) -> JournalMark:
        """Take records of a client's journal from the number `first` on: a line of JSON with the
        names of its metrics, then the records. The answer says how many of the journal are here.

        What is here already is not taken again; a repeat is safe. Records that don't join what is
        here are not taken, unless the client has those between no more (`after_gap`).
        """
        return self.receive(run_id, journal, first, content, after_gap=after_gap)

    def receive(
        self,
        run_id: str,
        journal: str,
        first: int,
        content: BinaryIO,
        *,
        after_gap: bool,
        late: bool = False,
    ) -> JournalMark:
        """The same; `late` also for a run that has ended, of a journal that nobody knew of."""
        head, _, records = content.read().partition(b"\n")
        if len(records) % RECORD.size:
            raise InvalidInput("content: holds no whole records.", field="content")
        names = decode(b'{"names":' + head + b"}", _Names).names
        with self.storage.database.write(durable=False) as transaction:
            run = run_store.writable(transaction, run_id)
            if not late:
                folding.check_takes(transaction, run, journal)
            batch = Batch(first, names, records)
            kept = folding.take(transaction, run_id, journal, batch, after_gap=after_gap)
        return JournalMark(kept)

    def fold(self, run_id: str) -> dict[str, int]:
        """Take what the run's journals here hold into the store; how much of each is there now."""
        return folding.fold(self.storage.database, run_id, self.storage.run(run_id).metrics)

    def fold_active(self) -> None:
        """Take what runs log now into the store, so that a search sees it: those that go on, and
        ended ones of clients that log to them through this process."""
        with suppress(StorageFull, Unavailable), hardly_waiting():
            for run_id in {*run_store.active(self.storage.database), *self.logged_here()}:
                self.fold_grown(run_id)

    def logged_here(self) -> set[str]:
        """The runs, also ended ones, that are logged to through this process now."""
        folders = {folder.parent for folder in folders_written_to()}
        return {folder.name for folder in folders if folder == self.storage.run(folder.name).path}

    def fold_grown(self, run_id: str) -> bool:
        """Fold where there is news since this was last asked; whether there was."""
        if not self.storage.has_metrics(run_id):
            self._folded.pop(run_id, None)
            return False
        folder = self.storage.run(run_id).metrics
        if not journal_reader.has_grown(folder, self._folded.get(run_id, {})):
            return False
        self._folded[run_id] = self.fold(run_id)
        return True

    def settle(self, run_id: str) -> None:
        """Take all that the run has logged into the store, at its end."""
        self._folded.pop(run_id, None)
        folding.settle(self.storage.database, run_id, self.storage.run(run_id).metrics)

    def writer(self, run_id: str) -> JournalWriter:
        """A journal of its own for a process that logs to the run."""
        self.check(run_id)
        run = run_store.row_of(self.storage.database, run_id)
        unique = run["kind"] == "external"
        return JournalWriter(self.storage.run(run_id).metrics, unique=unique)

    def last_step(self, run_id: str, name: str, own: str | None) -> int:
        """The greatest step of a metric, -1 where it has none; the journal `own` has nothing of it,
        so that it need not be taken first."""
        if set(journal_reader.journals(self.storage.run(run_id).metrics)) - {own}:
            with suppress(StorageFull, Unavailable), hardly_waiting():
                self.fold_grown(run_id)
        run = run_store.row_of(self.storage.database, run_id)
        return series_store.last_step(self.storage.database, run["id"], name)

    @contextmanager
    def _history(self, run_id: str) -> Iterator[History]:
        run = run_store.row_of(self.storage.database, run_id)
        folder = self.storage.run(run_id).metrics
        with opened(self.storage.database, run["id"], folder) as history:
            yield history

    def _next_step(self, run_id: str, name: str) -> int:
        with self._history(run_id) as history:
            columns = history.columns(name)
        return following(int(columns.steps.max())) if len(columns.steps) else 0


class _Names(msgspec.Struct):
    names: list[Key]


def _series(name: str, columns: Columns) -> MetricSeries:
    values = columns.values.tolist()
    if not _finite(columns):
        values = [number_to_wire(value) for value in values]
    return MetricSeries(name, columns.steps.tolist(), columns.times.tolist(), values)


def _finite(columns: Columns) -> bool:
    import numpy as np

    return bool(np.isfinite(columns.values).all())
