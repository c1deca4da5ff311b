"""How evaluation datasets are kept."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.evaluation.model import EvaluationDataset
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.storage.marks import groups

DATASETS = "SELECT d.* FROM evaluation_dataset d"
FOUND = (
    "SELECT d.id, d.name, d.created, d.updated,"
    " length(d.tags_json) + coalesce(length(d.fields_json), 0) AS size FROM evaluation_dataset d"
)
OF_EXPERIMENTS = (
    "SELECT p.evaluation_dataset FROM evaluation_dataset_experiment p"
    " JOIN experiment e ON e.id = p.experiment"
)


def find(queries: Queries, dataset_id: str) -> Row | None:
    return queries.one(f"{DATASETS} WHERE d.uid = :uid", uid=dataset_id)


def row_of(queries: Queries, dataset_id: str) -> Row:
    row = find(queries, dataset_id)
    if row is None:
        raise NotFound(f"Evaluation dataset with id '{dataset_id}' not found", field="dataset_id")
    return row


def insert(transaction: Transaction, uid: str, name: str, **columns: Any) -> int:
    """Add a dataset; its row id. `columns` are the caller's own words."""
    moment = now()
    transaction.event("evaluation_dataset.created", uid, name=name)
    return transaction.add(
        "evaluation_dataset",
        uid=uid,
        name=name,
        digest=digest(name, moment),
        created=moment,
        updated=moment,
        **columns,
    )


def change(transaction: Transaction, row: Row, **columns: Any) -> None:
    """Set columns of a dataset. Their names are the caller's own words."""
    settings = ", ".join(f"{name} = :{name}" for name in columns)
    transaction.execute(
        f"UPDATE evaluation_dataset SET {settings} WHERE id = :id", **columns, id=row["id"]
    )
    transaction.event("evaluation_dataset.updated", row["uid"])


def delete(transaction: Transaction, row: Row) -> None:
    transaction.execute("DELETE FROM evaluation_dataset WHERE id = :id", id=row["id"])
    transaction.event("evaluation_dataset.deleted", row["uid"], name=row["name"])


def digest(name: str, moment: int) -> str:
    """Eight hex digits for a dataset as it is since that moment."""
    return hashlib.sha256(f"{name}:{moment}".encode()).hexdigest()[:8]


def add_to(transaction: Transaction, dataset: int, experiments: Iterable[int]) -> None:
    transaction.many(
        "INSERT INTO evaluation_dataset_experiment (evaluation_dataset, experiment)"
        " VALUES (:dataset, :experiment) ON CONFLICT DO NOTHING",
        [{"dataset": dataset, "experiment": one} for one in experiments],
    )


def remove_from(transaction: Transaction, dataset: int, experiments: Iterable[int]) -> None:
    transaction.many(
        "DELETE FROM evaluation_dataset_experiment"
        " WHERE evaluation_dataset = :dataset AND experiment = :experiment",
        [{"dataset": dataset, "experiment": one} for one in experiments],
    )


def of_ids(queries: Queries, ids: Sequence[int]) -> list[EvaluationDataset]:
    """The datasets of these row ids, in their order."""
    rows = {
        row["id"]: row
        for marks, named in groups(ids)
        for row in queries.all(f"{DATASETS} WHERE d.id IN ({marks})", **named)
    }
    return of_rows(queries, [rows[one] for one in ids])


def of_rows(queries: Queries, rows: Sequence[Row]) -> list[EvaluationDataset]:
    """The datasets of rows that `DATASETS` selects."""
    places: dict[int, dict[str, int]] = {}
    for marks, named in groups(row["id"] for row in rows):
        for one in queries.all(
            "SELECT p.evaluation_dataset AS dataset, e.name, e.id"
            " FROM evaluation_dataset_experiment p JOIN experiment e ON e.id = p.experiment"
            f" WHERE p.evaluation_dataset IN ({marks}) ORDER BY e.id",
            **named,
        ):
            places.setdefault(one["dataset"], {})[one["name"]] = one["id"]
    return [
        EvaluationDataset(
            dataset_id=row["uid"],
            name=row["name"],
            tags=json.loads(row["tags_json"]),
            experiments=places.get(row["id"], {}),
            digest=row["digest"],
            records=row["records"],
            fields=None if row["fields_json"] is None else json.loads(row["fields_json"]),
            created=row["created"],
            updated=row["updated"],
            created_by=row["created_by"],
            updated_by=row["updated_by"],
        )
        for row in rows
    ]
