"""Runs as records: all that is known of one, in a form that goes from workspace to workspace."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.types import (
    Digest,
    Int64,
    Key,
    Name,
    Offset,
    RelativePath,
    RunId,
    Scalar,
    Text,
)
from ml_workspace_lab.experiments import documents, run_store, series_store, store
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.lineage import LineageItem
from ml_workspace_lab.experiments.model import (
    MetricSummary,
    Progress,
    RunDocument,
    RunKind,
    RunState,
    StateChange,
)
from ml_workspace_lab.experiments.points import Points, summary
from ml_workspace_lab.storage.database import Queries, Row, Transaction


class ArtifactRecord(Struct, frozen=True, forbid_unknown_fields=True):
    path: RelativePath
    digest: Digest
    size: Offset
    media_type: Text
    created: Int64


class LineageRecord(Struct, frozen=True, forbid_unknown_fields=True):
    item: LineageItem
    created: Int64


class RunRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A run without its metrics and without its place in an experiment. Times are milliseconds."""

    run_id: RunId
    kind: RunKind
    display_name: Name
    state: RunState
    user: Text
    created: Int64
    description: Text = ""
    reason: Text = ""
    compute_target: Text | None = None
    parent: RunId | None = None
    started: Int64 | None = None
    ended: Int64 | None = None
    deleted: Int64 | None = None
    snapshot: Digest | None = None
    notebook: Text | None = None
    progress: Progress | None = None
    params: dict[Key, Scalar] = field(default_factory=dict)
    tags: dict[Key, Text] = field(default_factory=dict)
    properties: dict[Key, Text] = field(default_factory=dict)
    history: list[StateChange] = field(default_factory=list)
    artifacts: list[ArtifactRecord] = field(default_factory=list)
    lineage: list[LineageRecord] = field(default_factory=list)


_SAME = (
    "kind",
    "display_name",
    "description",
    "user",
    "created",
    "started",
    "ended",
    "deleted",
    "compute_target",
    "parent",
    "snapshot",
    "notebook",
    "reason",
)
"""Columns of a run that a record has by the same names."""


def find(queries: Queries, uid: str) -> RunRecord | None:
    """The record of a run, in the trash or not; None where it isn't here."""
    run = queries.one("SELECT * FROM run WHERE uid = :uid", uid=uid)
    return _record(queries, run) if run is not None else None


def summaries(queries: Queries, uid: str) -> dict[str, MetricSummary]:
    """The metrics of a run at a glance. Raises NotFound."""
    return documents.read(run_store.row_of(queries, uid)).metrics


def summed_up(points: Mapping[str, Points]) -> dict[str, MetricSummary]:
    """Metrics at a glance, as they will be of a run that has these points."""
    return {name: documents.shown(summary(found)) for name, found in points.items()}


def chunks_of(queries: Queries, uid: str) -> dict[str, list[bytes]]:
    """The chunks of each series of a run, as they are stored. Raises NotFound."""
    run = run_store.row_of(queries, uid)["id"]
    rows = queries.all(
        "SELECT k.name, c.body FROM chunk c JOIN key k ON k.id = c.key"
        " WHERE c.run = :run ORDER BY c.id",
        run=run,
    )
    found: dict[str, list[bytes]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(row["body"])
    return found


def _record(queries: Queries, run: Row) -> RunRecord:
    document = documents.fill(queries, run["id"], documents.read(run))
    artifacts = queries.all("SELECT * FROM artifact WHERE run = :run ORDER BY path", run=run["id"])
    lineage = queries.all("SELECT * FROM lineage WHERE run = :run ORDER BY id", run=run["id"])
    progress = run["progress_json"]
    return RunRecord(
        run_id=run["uid"],
        state=RunState(run["state"]),
        progress=msgspec.json.decode(progress, type=Progress) if progress else None,
        params=document.params,
        tags=document.tags,
        properties=document.properties,
        history=run_store.history(queries, run["uid"]),
        artifacts=[
            ArtifactRecord(*(row[name] for name in ArtifactRecord.__struct_fields__))
            for row in artifacts
        ],
        lineage=[_lineage(row) for row in lineage],
        **{name: run[name] for name in _SAME},
    )


def write(
    transaction: Transaction,
    experiment: int,
    record: RunRecord,
    *,
    chunks: Mapping[str, Sequence[bytes]] | None = None,
    points: Mapping[str, Points] | None = None,
) -> None:
    """Add a run that is not there yet, with its metrics as stored chunks or as points. Contents
    must have been put, and the snapshot be there."""
    run = _insert(transaction, experiment, record)
    transaction.many(
        "INSERT INTO run_history (run, seq, state, reason, time)"
        " VALUES (:run, :seq, :state, :reason, :time)",
        [
            {"run": run, "seq": seq, **msgspec.structs.asdict(change)}
            for seq, change in enumerate(record.history)
        ],
    )
    transaction.many(
        "INSERT INTO artifact (run, path, digest, size, media_type, created)"
        " VALUES (:run, :path, :digest, :size, :media_type, :created)",
        [{"run": run, **msgspec.structs.asdict(one)} for one in record.artifacts],
    )
    transaction.many(
        "INSERT INTO lineage (run, direction, kind, name, digest, context, data_json, created)"
        " VALUES (:run, :direction, :kind, :name, :digest, :context, :data_json, :created)",
        [_lineage_row(run, one) for one in record.lineage],
    )
    row = run_store.row_of(transaction, record.run_id)
    if chunks:
        series_store.add_bodies(transaction, row, chunks)
    if points:
        series_store.extend(transaction, row, points, unique=False)
    _add_attributes(transaction, record)


def add_points(transaction: Transaction, uid: str, points: Mapping[str, Points]) -> int:
    """Add those points that a run does not have yet; how many. Raises NotFound, or Conflict for a
    run in the trash."""
    run = run_store.writable(transaction, uid)
    before = sum(one.count for one in documents.read(run).metrics.values())
    series_store.extend(transaction, run, points, unique=True)
    added = sum(one.count for one in summaries(transaction, uid).values()) - before
    if added:
        run_store.touch(transaction, run["id"], "run.metrics", uid)
    return added


def move_end(transaction: Transaction, uid: str, state: RunState, ended: int) -> None:
    """Let a run that has ended end later, and so, where its record has gone on elsewhere."""
    run = run_store.writable(transaction, uid)
    if run["ended"] is None or ended <= run["ended"]:
        return
    run_store.set_columns(transaction, run["id"], state=state, ended=ended)
    transaction.execute(
        "UPDATE run_history SET state = :state, time = :time WHERE run = :run"
        " AND seq = (SELECT max(seq) FROM run_history WHERE run = :run)",
        run=run["id"],
        state=state,
        time=ended,
    )
    run_store.touch(transaction, run["id"], "run.state", uid, state=state)


def _insert(transaction: Transaction, experiment: int, record: RunRecord) -> int:
    number = store.next_number(transaction, experiment)
    if record.deleted is not None:
        store.count_live(transaction, experiment, -1)
    progress = record.progress
    return transaction.add(
        "run",
        uid=record.run_id,
        experiment=experiment,
        number=number,
        state=record.state,
        progress_json=msgspec.json.encode(progress).decode() if progress else None,
        changed=transaction.event("run.imported", record.run_id, state=record.state),
        doc=documents.encode(RunDocument()),
        **{name: getattr(record, name) for name in _SAME},
    )


def _add_attributes(transaction: Transaction, record: RunRecord) -> None:
    row = run_store.row_of(transaction, record.run_id)
    document = documents.read(row)
    documents.set_attributes(transaction, row["id"], document, "param", record.params)
    documents.set_attributes(transaction, row["id"], document, "tag", record.tags)
    documents.set_attributes(transaction, row["id"], document, "property", record.properties)
    documents.write(transaction, row["id"], document)


def _lineage(row: Row) -> LineageRecord:
    names = ("direction", "kind", "name", "digest", "context")
    item = LineageItem(**{name: row[name] for name in names}, data=json.loads(row["data_json"]))
    return LineageRecord(item, row["created"])


def _lineage_row(run: int, record: LineageRecord) -> dict[str, Any]:
    values = msgspec.structs.asdict(record.item)
    data = json.dumps(values.pop("data"))
    return {"run": run, "data_json": data, "created": record.created, **values}


class ExperimentRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An experiment without its runs. Times are milliseconds."""

    name: Name
    created: Int64
    updated: Int64
    description: Text = ""
    tags: dict[Key, Text] = field(default_factory=dict)
    archived: Int64 | None = None
    deleted: Int64 | None = None


def place_experiment(
    transaction: Transaction, record: ExperimentRecord, *, as_default: bool = False
) -> tuple[Row, bool]:
    """The row of the experiment of that name, and whether it was made now; `as_default` gives it
    the number 0 where that is free."""
    row = store.find_experiment(transaction, record.name)
    if row is not None:
        return row, False
    is_free = not transaction.one("SELECT 1 AS one FROM experiment WHERE id = 0")
    number = store.insert_experiment(
        transaction,
        new_id(),
        record.name,
        record.description,
        record.tags,
        **({"id": 0} if as_default and is_free else {}),
    )
    transaction.execute(
        "UPDATE experiment SET created = :created, updated = :updated, archived = :archived,"
        " deleted = :deleted WHERE id = :id",
        created=record.created,
        updated=record.updated,
        archived=record.archived,
        deleted=record.deleted,
        id=number,
    )
    row = store.find_experiment(transaction, record.name)
    assert row is not None
    return row, True
