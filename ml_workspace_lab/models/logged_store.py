"""How logged models are kept."""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ml_workspace_lab.api.types import number_from_wire, number_to_wire
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.models.logged_model import LoggedModelFile, LoggedModelInfo, ModelMetric
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.storage.marks import groups, marks_of

MODELS = (
    "SELECT l.*, e.name AS experiment_name FROM logged_model l"
    " JOIN experiment e ON e.id = l.experiment"
)
AT_ONCE = 500
METRIC = ("run", "name", "value", "step", "time", "dataset_name", "dataset_digest")
"""The columns that tell metrics of a model from each other."""

_METRIC_MARKS = ", ".join(f":{name}" for name in METRIC)


def row_of(queries: Queries, model_id: str) -> Row:
    """The row of a logged model, in the trash or not; raises NotFound."""
    row = queries.one(f"{MODELS} WHERE l.uid = :uid", uid=model_id)
    if row is None:
        raise no_model(model_id)
    return row


def writable(queries: Queries, model_id: str) -> Row:
    """The row of a logged model that is not in the trash; raises NotFound."""
    row = row_of(queries, model_id)
    if row["deleted"] is not None:
        raise no_model(model_id)
    return row


def insert(transaction: Transaction, **columns: Any) -> None:
    """Add a logged model. `columns` are the caller's own words."""
    moment = now()
    transaction.insert("logged_model", created=moment, updated=moment, **columns)
    transaction.event("logged_model.created", columns["uid"])


def change(transaction: Transaction, row: Row, kind: str, **columns: Any) -> None:
    """Set columns of a logged model, and tell of it. Their names are the caller's own words."""
    settings = "".join(f"{name} = :{name}, " for name in columns)
    transaction.execute(
        f"UPDATE logged_model SET {settings}updated = :now WHERE id = :id",
        **columns,
        now=now(),
        id=row["id"],
    )
    transaction.event(kind, row["uid"])


def add_metrics(transaction: Transaction, model: int, metrics: Iterable[ModelMetric]) -> None:
    """Add metrics of a model. One that is there already, equal in all, is not added again: a client
    that got no answer repeats its request."""
    given = {_metric_values(metric): None for metric in metrics}
    new = given.keys() - _present(transaction, model, given.keys())
    transaction.many(
        "INSERT INTO logged_model_metric"
        f" (logged_model, {', '.join(METRIC)}) VALUES (:model, {_METRIC_MARKS})",
        [
            {"model": model, **dict(zip(METRIC, values, strict=True))}
            for values in given
            if values in new
        ],
    )


def infos(queries: Queries, rows: Sequence[Row]) -> list[LoggedModelInfo]:
    """The logged models of these rows, with their metrics."""
    metrics: dict[int, list[ModelMetric]] = {row["id"]: [] for row in rows}
    ids = list(metrics)
    for at in range(0, len(ids), AT_ONCE):
        for row in metric_rows(queries, ids[at : at + AT_ONCE]):
            metrics[row["logged_model"]].append(_metric(row))
    return [_info(row, metrics[row["id"]]) for row in rows]


def metric_rows(queries: Queries, ids: Sequence[int], name: str | None = None) -> list[Row]:
    """The metrics of these models (or those of one name), the oldest first."""
    marks, named = marks_of(ids)
    which = "" if name is None else "AND name = :name"
    return queries.all(
        "SELECT * FROM logged_model_metric"
        f" WHERE logged_model IN ({marks}) {which}"
        " ORDER BY time, step, id",
        name=name,
        **named,
    )


def put_file(transaction: Transaction, model: int, path: str, digest: str, size: int) -> None:
    transaction.execute(
        "INSERT INTO logged_model_file (logged_model, path, digest, size, created)"
        " VALUES (:model, :path, :digest, :size, :created)"
        " ON CONFLICT (logged_model, path) DO UPDATE SET digest = excluded.digest,"
        " size = excluded.size, created = excluded.created",
        model=model,
        path=path,
        digest=digest,
        size=size,
        created=now(),
    )


def delete_file(transaction: Transaction, model: int, path: str) -> bool:
    """Whether there was one."""
    found = transaction.execute(
        "DELETE FROM logged_model_file WHERE logged_model = :model AND path = :path",
        model=model,
        path=path,
    )
    return found.rowcount > 0


def files(queries: Queries, model: int) -> list[LoggedModelFile]:
    rows = queries.all(
        "SELECT path, digest, size, created FROM logged_model_file"
        " WHERE logged_model = :model ORDER BY path",
        model=model,
    )
    return [LoggedModelFile(**dict(row)) for row in rows]


def find_file(queries: Queries, model_id: str, path: str) -> LoggedModelFile:
    row = queries.one(
        "SELECT f.path, f.digest, f.size, f.created FROM logged_model_file f"
        " JOIN logged_model l ON l.id = f.logged_model WHERE l.uid = :uid AND f.path = :path",
        uid=model_id,
        path=path,
    )
    if row is None:
        raise no_file(model_id, path)
    return LoggedModelFile(**dict(row))


def no_model(model_id: str) -> NotFound:
    return NotFound(f"Logged model with ID '{model_id}' not found.", field="model_id")


def no_file(model_id: str, path: str) -> NotFound:
    return NotFound(f"The logged model {model_id} has no file {path!r}.", field="path")


def _metric_values(metric: ModelMetric) -> tuple[Any, ...]:
    """The values of `METRIC`; NaN is NULL."""
    value = number_from_wire(metric.value)
    return (
        metric.run_id,
        metric.name,
        None if math.isnan(value) else value,
        metric.step,
        metric.time,
        metric.dataset_name,
        metric.dataset_digest,
    )


def _present(
    queries: Queries, model: int, given: Collection[tuple[Any, ...]]
) -> set[tuple[Any, ...]]:
    """The metrics of a model that have the names and times of `given`."""
    times = [values[METRIC.index("time")] for values in given]
    found: set[tuple[Any, ...]] = set()
    for marks, named in groups(values[METRIC.index("name")] for values in given):
        rows = queries.all(
            f"SELECT {', '.join(METRIC)} FROM logged_model_metric"
            f" WHERE logged_model = :model AND name IN ({marks})"
            " AND time BETWEEN :first AND :last",
            model=model,
            first=min(times),
            last=max(times),
            **named,
        )
        found.update(tuple(row[name] for name in METRIC) for row in rows)
    return found


def _metric(row: Row) -> ModelMetric:
    return ModelMetric(
        name=row["name"],
        value=number_to_wire(math.nan if row["value"] is None else row["value"]),
        step=row["step"],
        time=row["time"],
        run_id=row["run"],
        dataset_name=row["dataset_name"],
        dataset_digest=row["dataset_digest"],
    )


def _info(row: Mapping[str, Any], metrics: list[ModelMetric]) -> LoggedModelInfo:
    return LoggedModelInfo(
        model_id=row["uid"],
        experiment=row["experiment_name"],
        experiment_number=row["experiment"],
        name=row["name"],
        model_type=row["model_type"],
        status=row["status"],
        run_id=row["run"],
        created=row["created"],
        updated=row["updated"],
        deleted=row["deleted"],
        params=json.loads(row["params_json"]),
        tags=json.loads(row["tags_json"]),
        metrics=metrics,
    )
