"""Finding experiments by what is said of them."""

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Limit, Text
from ml_workspace_lab.experiments import store
from ml_workspace_lab.experiments.model import ExperimentInfo, View
from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.mirrored import of_experiments
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

_ATTRIBUTES: Attributes = {
    "name": Attribute("text", "e.name"),
    "experiment_id": Attribute("text", "CAST(e.id AS TEXT)", ("number",)),
    "description": Attribute("text", "e.description"),
    "creation_time": Attribute("time", "e.created", ("created",)),
    "last_update_time": Attribute("time", "e.updated", ("updated",)),
}
_SPELLINGS = {"attribute": ("attribute", "attributes", "attr"), "tag": ("tag", "tags")}
_VOCABULARY = Vocabulary(
    spellings=spellings(_SPELLINGS),
    fields={"attribute": fields(_ATTRIBUTES)},
    keyed={"tag": "text"},
)
_TIES = ("creation_time DESC", "experiment_id DESC")
_VALUES = {
    "name": "name",
    "experiment_id": "number",
    "description": "description",
    "creation_time": "created",
    "last_update_time": "updated",
}
"""What experiments are put in order by, and its name in them."""


class SearchExperiments(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for: `filter` and `order_by` in the grammar of the search for runs."""

    filter: Text = ""
    order_by: list[Text] = field(default_factory=list)
    view: View = "active"
    limit: Limit = 100
    after: Text | None = None


class ExperimentPage(Struct, frozen=True):
    """Experiments; `next` is the `after` that asks for the part that follows."""

    items: list[ExperimentInfo]
    next: str | None = None


class ExperimentSearch(Service):
    """The search for experiments."""

    @operation("POST", "/experiment-search", action="experiments/read", audited=False)
    def find(self, body: SearchExperiments) -> ExperimentPage:
        """One page of the experiments that a filter matches, the newest first unless `order_by`
        says otherwise."""
        way, bindings = dialect(self.storage.database), Bindings()
        read = columns(_ATTRIBUTES)
        about = Records(_VOCABULARY, read, {"tag": records.json_pairs(way, "e.tags_json")})
        order = by_attributes(body.order_by, _VALUES, _TIES, _VOCABULARY)
        sorted_by = {
            **read,
            "experiment_id": "e.id",
            **{name: way.bytewise(read[name]) for name in ("name", "description")},
        }
        question = msgspec.structs.replace(body, after=None, limit=1)
        parts = [TRUE]
        if (expression := of_experiments(parse(body.filter, _VOCABULARY))) is not None:
            parts.append(records.condition(expression, about, way, bindings))
        if body.after is not None:
            place = records.from_token(body.after, question, "after")
            parts.append(records.after(place, order, sorted_by, bindings))
        with in_time(self.storage.database) as queries:
            found = store.matching(
                queries,
                body.view,
                " AND ".join(parts),
                records.order_sql(order, sorted_by),
                body.limit + 1,
                bindings.values,
            )
        if len(found) <= body.limit:
            return ExperimentPage(found)
        page = found[: body.limit]
        last = [getattr(page[-1], _VALUES[one.term.name]) for one in order]
        return ExperimentPage(page, records.to_token(last, question))
