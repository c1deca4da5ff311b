"""Finding issues by what is said of them."""

from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.bounded import Sorted, page
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
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.tracing import issue_store as store
from ml_workspace_lab.tracing.issue import IssueList, SearchIssues

_ATTRIBUTES: Attributes = {
    "number": Attribute("number", "i.id"),
    "name": Attribute("text", "i.name"),
    "description": Attribute("text", "i.description"),
    "status": Attribute("text", "i.status"),
    "severity": Attribute("text", "i.severity"),
    "traces": Attribute("number", store.TRACES, ("trace_count",)),
    "source_run_id": Attribute("text", "i.source_run", ("source_run",)),
    "created_by": Attribute("text", "i.created_by"),
    "created_timestamp": Attribute("time", "i.created", ("created",)),
    "last_updated_timestamp": Attribute("time", "i.updated", ("updated",)),
}
_ISSUES = Vocabulary(
    spellings=spellings({"attribute": ("attribute", "attributes", "attr", "issue")}),
    fields={"attribute": fields(_ATTRIBUTES)},
    keyed={},
)
_TIES = ("severity DESC", "created_timestamp DESC", "number DESC")
_VALUES = {
    "name": "name",
    "severity": "rank",
    "traces": "traces",
    "created_timestamp": "created",
    "last_updated_timestamp": "updated",
    "number": "id",
}
"""What issues are put in order by, and its name in their rows."""


def issues(database: Database, asked: SearchIssues) -> IssueList:
    """One page of issues, the gravest first unless `order_by` says otherwise; fewer than were asked
    for where they are large."""
    way, bindings = dialect(database), Bindings()
    read = columns(_ATTRIBUTES)
    order = by_attributes(asked.order_by, _VALUES, _TIES, _ISSUES)
    sorted_by = {**read, "name": way.bytewise(read["name"]), "severity": store.RANK}
    if asked.experiments is None:
        parts = ["e.deleted IS NULL"]
    else:
        parts = [way.among("e.name", asked.experiments, bindings)]
    if (expression := parse(asked.filter, _ISSUES)) is not None:
        parts.append(records.condition(expression, Records(_ISSUES, read, {}), way, bindings))
    by = Sorted(order, sorted_by, _VALUES)
    return IssueList(*page(database, store.FOUND, parts, by, asked, bindings, store.of_ids))
