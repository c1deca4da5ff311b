"""Finding logged models by what is said of them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.records import Records
from ml_workspace_lab.experiments.search.sql import TRUE, Bindings, dialect
from ml_workspace_lab.experiments.search.vocabulary import (
    Attribute,
    Attributes,
    Vocabulary,
    columns,
    fields,
)
from ml_workspace_lab.models import logged_store as store
from ml_workspace_lab.models.logged_model import (
    LoggedModelList,
    OnDataset,
    Order,
    SearchLoggedModels,
)
from ml_workspace_lab.storage.database import Database, Queries, Row

_ATTRIBUTES: Attributes = {
    "name": Attribute("text", "l.name", ("model_name",)),
    "model_id": Attribute("text", "l.uid"),
    "model_type": Attribute("text", "l.model_type"),
    "status": Attribute("text", "l.status"),
    "source_run_id": Attribute("text", "l.run", ("run_id",)),
    "creation_timestamp": Attribute("time", "l.created", ("creation_time", "created")),
    "last_updated_timestamp": Attribute("time", "l.updated", ("last_updated_time", "updated")),
}
_COLUMNS = {name: one.sql.removeprefix("l.") for name, one in _ATTRIBUTES.items()}
_FIELDS = fields(_ATTRIBUTES)
_VOCABULARY = Vocabulary(
    spellings={
        "attribute": "attribute",
        "attributes": "attribute",
        "metrics": "metric",
        "params": "param",
        "tags": "tag",
    },
    fields={"attribute": _FIELDS},
    keyed={"metric": "number", "param": "text", "tag": "text"},
)

_Key = Callable[[Row], tuple[bool, Any]]
"""What a row is put in order by: whether it lacks the value, and the value."""


def search(database: Database, asked: SearchLoggedModels) -> LoggedModelList:
    """One page of logged models, those in the trash left out, the newest first."""
    rows = _matching(database, asked)
    for order in reversed([*asked.order_by, Order("creation_timestamp", descending=True)]):
        _sort(rows, _key(database, rows, order), descending=order.descending)
    question = msgspec.structs.replace(asked, after=None, limit=1)
    begin = 0
    if asked.after is not None:
        (last,) = records.from_token(asked.after, question, "after")
        begin = next((at for at, row in enumerate(rows, 1) if row["id"] == last), len(rows))
    page = rows[begin : begin + asked.limit]
    more = begin + asked.limit < len(rows)
    following = records.to_token([page[-1]["id"]], question) if more else None
    return LoggedModelList(store.infos(database, page), following)


def _matching(database: Database, asked: SearchLoggedModels) -> list[Row]:
    way, bindings = dialect(database), Bindings()
    measured = _measured(asked.datasets, bindings)
    about = Records(
        _VOCABULARY,
        columns(_ATTRIBUTES),
        {
            "tag": records.json_pairs(way, "l.tags_json"),
            "param": records.json_pairs(way, "l.params_json"),
            "metric": measured,
        },
    )
    parts = [f"e.name IN ({bindings.marks(asked.experiments) or 'NULL'})", "l.deleted IS NULL"]
    if (expression := parse(asked.filter, _VOCABULARY)) is not None:
        parts.append(records.condition(expression, about, way, bindings))
    if asked.datasets:
        parts.append(f"EXISTS (SELECT 1 FROM {measured})")  # noqa: S608
    where = " AND ".join(parts)
    with in_time(database) as queries:
        return queries.all(f"{store.MODELS} WHERE {where} ORDER BY l.uid", **bindings.values)


def _measured(datasets: Sequence[OnDataset], bindings: Bindings) -> str:
    """What stands after FROM for a model's metrics, on one of the datasets where any are named."""
    choices = []
    for dataset in datasets:
        choice = f"m.dataset_name = {bindings.mark(dataset.name)}"
        if dataset.digest:
            choice += f" AND m.dataset_digest = {bindings.mark(dataset.digest)}"
        choices.append(f"({choice})")
    which = " OR ".join(choices) or TRUE
    rows = f"SELECT m.logged_model, m.name AS key, m.value FROM logged_model_metric m WHERE {which}"  # noqa: S608
    return f"({rows}) t WHERE t.logged_model = l.id"


def _key(queries: Queries, rows: Sequence[Row], order: Order) -> _Key:
    name = order.key.removeprefix("attributes.")
    if name in _FIELDS:
        column = _COLUMNS[_FIELDS[name].name]
        return lambda row: (row[column] is None, row[column])
    if not name.startswith("metrics."):
        raise InvalidInput(
            f"Invalid order by field name: {order.key[:80]}. It must be an attribute, or a metric"
            " as metrics.NAME.",
            field="order_by",
        )
    values = _latest(queries, rows, order, name.removeprefix("metrics."))
    return lambda row: (row["id"] not in values, values.get(row["id"]))


def _latest(
    queries: Queries, rows: Sequence[Row], order: Order, metric: str
) -> dict[int, float | None]:
    """The newest value of a metric of each model that has one other than NaN."""
    found: dict[int, float | None] = {}
    ids = [row["id"] for row in rows]
    for at in range(0, len(ids), store.AT_ONCE):
        for row in store.metric_rows(queries, ids[at : at + store.AT_ONCE], metric):
            on = order.dataset
            if on is not None and on.name != row["dataset_name"]:
                continue
            if on is not None and on.digest and on.digest != row["dataset_digest"]:
                continue
            found[row["logged_model"]] = row["value"]
    return {model: v for model, v in found.items() if v is not None and not math.isnan(v)}


def _sort(rows: list[Row], key: _Key, *, descending: bool) -> None:
    """What lacks the value comes last in either direction; equals stay as they are."""
    there = [row for row in rows if not key(row)[0]]
    lacking = [row for row in rows if key(row)[0]]
    rows[:] = [*sorted(there, key=lambda row: key(row)[1], reverse=descending), *lacking]
