"""Finding evaluation datasets by what is said of them."""

import msgspec

from ml_workspace_lab.evaluation import store
from ml_workspace_lab.evaluation.model import EvaluationDatasetList, SearchEvaluationDatasets
from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.bounded import fitting
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.ordering import by_attributes
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.records import Records
from ml_workspace_lab.experiments.search.sql import TRUE, Bindings, dialect
from ml_workspace_lab.experiments.search.vocabulary import (
    Attribute,
    Attributes,
    Vocabulary,
    columns,
    fields,
    spellings,
)
from ml_workspace_lab.storage.database import Database

_ATTRIBUTES: Attributes = {
    "number": Attribute("number", "d.id"),
    "name": Attribute("text", "d.name"),
    "created_time": Attribute("time", "d.created", ("created",)),
    "last_update_time": Attribute("time", "d.updated", ("updated",)),
    "created_by": Attribute("text", "d.created_by"),
    "last_updated_by": Attribute("text", "d.updated_by", ("updated_by",)),
}
_SPELLINGS = {"attribute": ("attribute", "attributes", "attr"), "tag": ("tag", "tags")}
_DATASETS = Vocabulary(
    spellings=spellings(_SPELLINGS),
    fields={"attribute": fields(_ATTRIBUTES)},
    keyed={"tag": "text"},
)
_TIES = ("created_time DESC", "number DESC")
_VALUES = {
    "name": "name",
    "created_time": "created",
    "last_update_time": "updated",
    "number": "id",
}
"""What datasets are put in order by, and its name in their rows."""


def datasets(database: Database, asked: SearchEvaluationDatasets) -> EvaluationDatasetList:
    """One page of datasets, the newest first unless `order_by` says otherwise; fewer than were
    asked for where they are large."""
    way, bindings = dialect(database), Bindings()
    read = columns(_ATTRIBUTES)
    about = Records(_DATASETS, read, {"tag": records.json_pairs(way, "d.tags_json")})
    order = by_attributes(asked.order_by, _VALUES, _TIES, _DATASETS)
    sorted_by = {**read, "name": way.bytewise(read["name"])}
    question = msgspec.structs.replace(asked, after=None, limit=1)
    parts = [TRUE]
    if asked.experiments is not None:
        names = way.among("e.name", asked.experiments, bindings)
        parts.append(f"d.id IN ({store.OF_EXPERIMENTS} WHERE {names})")
    if (expression := parse(asked.filter, _DATASETS)) is not None:
        parts.append(records.condition(expression, about, way, bindings))
    if asked.after is not None:
        place = records.from_token(asked.after, question, "after")
        parts.append(records.after(place, order, sorted_by, bindings))
    with in_time(database) as queries:
        rows = queries.all(
            f"{store.FOUND} WHERE {' AND '.join(parts)}"
            f" ORDER BY {records.order_sql(order, sorted_by)}"
            f" LIMIT {bindings.mark(asked.limit + 1)}",
            **bindings.values,
        )
        page = rows[: fitting(rows, asked.limit)]
        found = store.of_ids(queries, [row["id"] for row in page])
    if len(rows) == len(page):
        return EvaluationDatasetList(found)
    last = [page[-1][_VALUES[one.term.name]] for one in order]
    return EvaluationDatasetList(found, records.to_token(last, question))
