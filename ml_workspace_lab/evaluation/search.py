"""Finding evaluation datasets by what is said of them."""

from ml_workspace_lab.evaluation import store
from ml_workspace_lab.evaluation.model import EvaluationDatasetList, SearchEvaluationDatasets
from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.bounded import Sorted, page
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
    parts = [TRUE]
    if asked.experiments is not None:
        names = way.among("e.name", asked.experiments, bindings)
        parts.append(f"d.id IN ({store.OF_EXPERIMENTS} WHERE {names})")
    if (expression := parse(asked.filter, _DATASETS)) is not None:
        parts.append(records.condition(expression, about, way, bindings))
    by = Sorted(order, sorted_by, _VALUES)
    return EvaluationDatasetList(
        *page(database, store.FOUND, parts, by, asked, bindings, store.of_ids)
    )
