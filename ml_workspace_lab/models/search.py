"""Finding models and versions by what is said of them."""

from collections.abc import Mapping, Sequence

import msgspec

from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.expression import Comparison, Term
from ml_workspace_lab.experiments.search.ordering import by_attributes
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.records import Records
from ml_workspace_lab.experiments.search.sql import Bindings, dialect
from ml_workspace_lab.experiments.search.vocabulary import Field, FieldKind, Vocabulary
from ml_workspace_lab.models import store
from ml_workspace_lab.models.model import PROMPT_TAG, ModelList, ModelVersionList, SearchModels
from ml_workspace_lab.storage.database import Database, Row

_Attributes = Mapping[str, tuple[FieldKind, str, tuple[str, ...]]]
"""Name, kind, SQL and other spellings."""

_MODELS: _Attributes = {
    "name": ("text", "m.name", ()),
    "description": ("text", "m.description", ()),
    "creation_timestamp": ("time", "m.created", ("created",)),
    "last_updated_timestamp": ("time", "m.updated", ("updated", "timestamp")),
}
_VERSIONS: _Attributes = {
    "name": ("text", "m.name", ()),
    "version_number": ("number", "v.version", ("version",)),
    "run_id": ("text", "v.run", ()),
    "source_path": ("text", "v.source", ("source",)),
    "model_id": ("text", "v.logged_model", ()),
    "description": ("text", "v.description", ()),
    "framework": ("text", "v.framework", ()),
    "stage": ("text", "coalesce(nullif(v.stage, ''), 'None')", ("current_stage",)),
    "user_id": ("text", 'v."user"', ("user",)),
    "creation_timestamp": ("time", "v.created", ("created",)),
    "last_updated_timestamp": ("time", "v.updated", ("updated",)),
}
_SORTABLE = {
    "name": "name",
    "version_number": "version",
    "creation_timestamp": "created",
    "last_updated_timestamp": "updated",
}
"""What rows can be put in order by, and its name in them."""


def _vocabulary(attributes: _Attributes) -> Vocabulary:
    fields = {
        spelling: Field(name, kind)
        for name, (kind, _, others) in attributes.items()
        for spelling in (name, *others)
    }
    return Vocabulary(
        spellings={
            **dict.fromkeys(("attribute", "attributes", "attr"), "attribute"),
            **dict.fromkeys(("tag", "tags"), "tag"),
        },
        fields={"attribute": fields},
        keyed={"tag": "text"},
    )


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
    attributes: _Attributes,
    alias: str,
    select: str,
    ties: Sequence[str],
) -> tuple[list[Row], str | None]:
    """Rows, and the token of the page that follows; `ties` decide what `order_by` leaves open."""
    way = dialect(database)
    about = Records(
        vocabulary,
        {name: sql for name, (_, sql, _) in attributes.items()},
        {"tag": records.json_pairs(way, f"{alias}.tags_json")},
    )
    order = by_attributes(asked.order_by, _SORTABLE, ties, vocabulary)
    columns = {
        name: way.bytewise(sql) if kind == "text" else sql
        for name, (kind, sql, _) in attributes.items()
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
        parts.append(records.after(place, order, columns, bindings))
    where = f"WHERE {' AND '.join(parts)}" if parts else ""
    rows = database.all(
        f"{select} {where} ORDER BY {records.order_sql(order, columns)}"
        f" LIMIT {bindings.mark(asked.limit + 1)}",
        **bindings.values,
    )
    if len(rows) <= asked.limit:
        return rows, None
    rows = rows[: asked.limit]
    place = [rows[-1][_SORTABLE[one.term.name]] for one in order]
    return rows, records.to_token(place, question)
