"""How the records of evaluation datasets are kept."""

import json
from collections.abc import Iterable, Sequence

import msgspec

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.evaluation import merging
from ml_workspace_lab.evaluation.merging import Kept
from ml_workspace_lab.evaluation.model import (
    EvaluationRecord,
    PutCount,
    PutRecord,
    RecordSource,
)
from ml_workspace_lab.experiments.search.bounded import fitting
from ml_workspace_lab.storage.database import Queries, Row, Transaction
from ml_workspace_lab.storage.marks import groups, marks_of

AT_ONCE = 100
"""Records that are merged with those that are there at a time."""

_ADD = (
    "INSERT INTO evaluation_record (uid, evaluation_dataset, hash, inputs_json, outputs_json,"
    " expectations_json, tags_json, source_json, size, created, updated, created_by, updated_by)"
    " VALUES (:uid, :dataset, :hash, :inputs_json, :outputs_json, :expectations_json, :tags_json,"
    " :source_json, :size, :created, :updated, :created_by, :updated_by)"
)
_CHANGE = (
    "UPDATE evaluation_record SET outputs_json = :outputs_json, size = :size, updated = :updated,"
    " expectations_json = :expectations_json, tags_json = :tags_json, updated_by = :updated_by"
    " WHERE id = :id"
)


def put(
    transaction: Transaction, dataset: int, records: Sequence[PutRecord], moment: int
) -> PutCount:
    """Add records, merged with those that have the same inputs. Raises InvalidInput where one gets
    too large."""
    inserted = 0
    for at in range(0, len(records), AT_ONCE):
        part = records[at : at + AT_ONCE]
        keys = [merging.hash_of(record.inputs) for record in part]
        kept = _there(transaction, dataset, keys)
        known = len(kept)
        for key, record in zip(keys, part, strict=True):
            if key in kept:
                kept[key].merge(record, moment)
            else:
                kept[key] = merging.new(record, key, moment)
        inserted += len(kept) - known
        _write(transaction, dataset, kept.values())
    return PutCount(inserted, len(records) - inserted)


def restore(transaction: Transaction, dataset: int, records: Sequence[EvaluationRecord]) -> None:
    """Add records to a dataset without any, as they were elsewhere. Raises InvalidInput where one
    is too large, or is another dataset's, and where two have the same inputs."""
    for marks, named in groups(one.record_id for one in records):
        taken = transaction.one(
            f"SELECT uid FROM evaluation_record WHERE uid IN ({marks})", **named
        )
        if taken is not None:
            raise InvalidInput(f"The record {taken['uid']} is another dataset's.")
    kept: dict[str, Kept] = {}
    for one in records:
        key = merging.hash_of(one.inputs)
        new = PutRecord(one.inputs, one.outputs, one.expectations, one.tags, one.source)
        kept[key] = merging.new(new, key, one.created)
        kept[key].values |= {
            "uid": one.record_id,
            "updated": one.updated,
            "created_by": one.created_by,
            "updated_by": one.updated_by,
        }
    if len({one.values["uid"] for one in kept.values()}) < len(records):
        raise InvalidInput("Two of its records have the same inputs, or the same id.")
    _write(transaction, dataset, kept.values())


def _there(queries: Queries, dataset: int, keys: Iterable[str]) -> dict[str, Kept]:
    marks, named = marks_of(dict.fromkeys(keys))
    rows = queries.all(
        "SELECT id, hash, size, outputs_json, expectations_json, tags_json, updated, updated_by"
        f" FROM evaluation_record WHERE evaluation_dataset = :dataset AND hash IN ({marks})",
        dataset=dataset,
        **named,
    )
    return {row["hash"]: merging.there(row) for row in rows}


def _write(transaction: Transaction, dataset: int, records: Iterable[Kept]) -> None:
    added, changed = [], []
    for one in records:
        if one.row is None:
            added.append({**one.values, "size": one.size, "dataset": dataset, "hash": one.hash})
        else:
            changed.append({**one.values, "size": one.size, "id": one.row})
    transaction.many(_ADD, added)
    transaction.many(_CHANGE, changed)


def page(
    queries: Queries, dataset: int, after: int, limit: int
) -> tuple[list[EvaluationRecord], int | None]:
    """Records after the one of that row id, the oldest first, as many as a page takes; the row id
    of the last where others follow."""
    found = queries.all(
        "SELECT id, size FROM evaluation_record WHERE evaluation_dataset = :dataset AND id > :after"
        " ORDER BY id LIMIT :limit",
        dataset=dataset,
        after=after,
        limit=limit + 1,
    )
    taken = fitting(found, limit)
    if not taken:
        return [], None
    last = found[taken - 1]["id"]
    rows = queries.all(
        "SELECT * FROM evaluation_record WHERE evaluation_dataset = :dataset AND id > :after"
        " AND id <= :last ORDER BY id",
        dataset=dataset,
        after=after,
        last=last,
    )
    return [_record(row) for row in rows], last if taken < len(found) else None


def all_of(queries: Queries, dataset: int) -> list[EvaluationRecord]:
    """All records, the oldest first."""
    rows = queries.all(
        "SELECT * FROM evaluation_record WHERE evaluation_dataset = :dataset ORDER BY id",
        dataset=dataset,
    )
    return [_record(row) for row in rows]


def size(queries: Queries, dataset: int) -> int:
    """The characters of all records' JSON."""
    row = queries.one(
        "SELECT coalesce(sum(size), 0) AS n FROM evaluation_record"
        " WHERE evaluation_dataset = :dataset",
        dataset=dataset,
    )
    assert row is not None
    return int(row["n"])


def delete(transaction: Transaction, dataset: int, record_ids: Iterable[str]) -> int:
    """Delete records; how many there were."""
    count = 0
    for marks, named in groups(record_ids):
        count += transaction.execute(
            "DELETE FROM evaluation_record"
            f" WHERE evaluation_dataset = :dataset AND uid IN ({marks})",
            dataset=dataset,
            **named,
        ).rowcount
    return count


def count(queries: Queries, dataset: int) -> int:
    row = queries.one(
        "SELECT count(*) AS n FROM evaluation_record WHERE evaluation_dataset = :dataset",
        dataset=dataset,
    )
    assert row is not None
    return int(row["n"])


def _record(row: Row) -> EvaluationRecord:
    return EvaluationRecord(
        record_id=row["uid"],
        inputs=json.loads(row["inputs_json"]),
        outputs=json.loads(row["outputs_json"]),
        expectations=json.loads(row["expectations_json"]),
        tags=json.loads(row["tags_json"]),
        source=msgspec.convert(json.loads(row["source_json"]), RecordSource | None),
        created=row["created"],
        updated=row["updated"],
        created_by=row["created_by"],
        updated_by=row["updated_by"],
    )
