"""Finding models and versions by what is said of them."""

from collections.abc import Sequence

import msgspec

from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.expression import Comparison, Term
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.ordering import by_attributes
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.records import Records
from ml_workspace_lab.experiments.search.sql import Bindings, dialect
from ml_workspace_lab.experiments.search.vocabulary import (
    Attribute,
    Attributes,
    Vocabulary,
    columns,
    fields,
    spellings,
)
from ml_workspace_lab.models import store
from ml_workspace_lab.models.model import PROMPT_TAG, ModelList, ModelVersionList, SearchModels
from ml_workspace_lab.storage.database import Database, Row

_MODELS: Attributes = {
    "name": Attribute("text", "m.name"),
    "description": Attribute("text", "m.description"),
    "creation_timestamp": Attribute("time", "m.created", ("created",)),
    "last_updated_timestamp": Attribute("time", "m.updated", ("updated", "timestamp")),
}
_VERSIONS: Attributes = {
    "name": Attribute("text", "m.name"),
    "version_number": Attribute("number", "v.version", ("version",)),
    "run_id": Attribute("text", "v.run"),
    "source_path": Attribute("text", "v.source", ("source",)),
    "model_id": Attribute("text", "v.logged_model"),
    "description": Attribute("text", "v.description"),
    "framework": Attribute("text", "v.framework"),
    "stage": Attribute("text", "coalesce(nullif(v.stage, ''), 'None')", ("current_stage",)),
    "user_id": Attribute("text", 'v."user"', ("user",)),
    "creation_timestamp": Attribute("time", "v.created", ("created",)),
    "last_updated_timestamp": Attribute("time", "v.updated", ("updated",)),
}
_SORTABLE = {
    "name": "name",
    "version_number": "version",
    "creation_timestamp": "created",
    "last_updated_timestamp": "updated",
}
"""What rows can be put in order by, and its name in them."""


def _vocabulary(attributes: Attributes) -> Vocabulary:
    words = {"attribute": ("attribute", "attributes", "attr"), "tag": ("tag", "tags")}
    return Vocabulary(spellings(words), {"attribute": fields(attributes)}, {"tag": "text"})


MODELS = _vocabulary(_MODELS)
VERSIONS = _vocabulary(_VERSIONS)
_IS_PROMPT = Comparison(Term("tag", PROMPT_TAG), "=", ("true",))


def models(database: Database, asked: SearchModels) -> ModelList:
    """One page of models."""
    rows, following = _page(database, asked, MODELS, _MODELS, "m", store.MODELS, ["name"])
    return ModelList(store.of_models(database, rows), following)


def versions(database: Database, asked: SearchModels) -> ModelVersionList:
    """One page of versions."""
    ties = ["name", "version_number DESC"]
    if not asked.order_by:
        ties.insert(0, "last_updated_timestamp DESC")
    rows, following = _page(database, asked, VERSIONS, _VERSIONS, "v", store.VERSIONS, ties)
    return ModelVersionList(store.of_versions(database, rows), following)


def _page(
    database: Database,
    asked: SearchModels,
    vocabulary: Vocabulary,
    attributes: Attributes,
    alias: str,
    select: str,
    ties: Sequence[str],
) -> tuple[list[Row], str | None]:
    """Rows, and the token of the page that follows; `ties` decide what `order_by` leaves open."""
    way = dialect(database)
    about = Records(
        vocabulary,
        columns(attributes),
        {"tag": records.json_pairs(way, f"{alias}.tags_json")},
    )
    order = by_attributes(asked.order_by, _SORTABLE, ties, vocabulary)
    sorts = {
        name: way.bytewise(one.sql) if one.kind == "text" else one.sql
        for name, one in attributes.items()
    }
    question = msgspec.structs.replace(asked, after=None, limit=1)
    bindings = Bindings()
    parts = []
    if asked.kind != "all":
        is_prompt = records.condition(_IS_PROMPT, about, way, bindings)
        parts.append(is_prompt if asked.kind == "prompt" else f"NOT {is_prompt}")
    if (expression := parse(asked.filter, vocabulary)) is not None:
        parts.append(records.condition(expression, about, way, bindings))
    if asked.after is not None:
        place = records.from_token(asked.after, question, "after")
        parts.append(records.after(place, order, sorts, bindings))
    where = f"WHERE {' AND '.join(parts)}" if parts else ""
    with in_time(database) as queries:
        rows = queries.all(
            f"{select} {where} ORDER BY {records.order_sql(order, sorts)}"
            f" LIMIT {bindings.mark(asked.limit + 1)}",
            **bindings.values,
        )
    if len(rows) <= asked.limit:
        return rows, None
    rows = rows[: asked.limit]
    place = [rows[-1][_SORTABLE[one.term.name]] for one in order]
    return rows, records.to_token(place, question)
