"""How issues are kept."""

import json
from collections.abc import Sequence
from typing import Any, get_args

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.storage.marks import groups
from ml_workspace_lab.tracing.issue import CreateIssue, Issue, IssueSeverity

TRACES = (
    "(SELECT count(DISTINCT a.trace) FROM assessment a WHERE a.kind = 'issue' AND a.name = i.uid)"
)
RANKS = " ".join(
    f"WHEN '{severity}' THEN {rank}" for rank, severity in enumerate(get_args(IssueSeverity))
)
RANK = f"(CASE i.severity {RANKS} ELSE -1 END)"
"""How grave it is; less than all others where nobody said."""

_FROM = " FROM issue i JOIN experiment e ON e.id = i.experiment"
_ISSUES = f"SELECT i.*, e.name AS experiment_name, {TRACES} AS traces{_FROM}"
FOUND = (
    f"SELECT i.id, i.name, i.created, i.updated, {RANK} AS rank, {TRACES} AS traces,"
    " length(i.description) + length(i.root_causes_json) + length(i.categories_json) AS size"
    f"{_FROM}"
)

Moments = tuple[int, int]
"""When it was made, and when it was changed last: milliseconds."""


def find(queries: Queries, issue_id: str) -> Row | None:
    return queries.one(f"{_ISSUES} WHERE i.uid = :uid", uid=issue_id)


def row_of(queries: Queries, issue_id: str) -> Row:
    row = find(queries, issue_id)
    if row is None:
        raise NotFound(f"Issue with ID '{issue_id}' not found", field="issue_id")
    return row


def insert(
    transaction: Transaction, uid: str, experiment: int, body: CreateIssue, moments: Moments
) -> None:
    created, updated = moments
    transaction.insert(
        "issue",
        uid=uid,
        experiment=experiment,
        name=body.name,
        description=body.description,
        status=body.status,
        severity=body.severity,
        root_causes_json=json.dumps(body.root_causes),
        categories_json=json.dumps(body.categories),
        source_run=body.source_run,
        created_by=body.created_by,
        created=created,
        updated=updated,
    )
    transaction.event("issue.created", uid, name=body.name)


def change(transaction: Transaction, row: Row, **columns: Any) -> None:
    """Set columns of an issue. Their names are the caller's own words."""
    settings = ", ".join(f"{name} = :{name}" for name in (*columns, "updated"))
    transaction.execute(
        f"UPDATE issue SET {settings} WHERE id = :id", **columns, updated=now(), id=row["id"]
    )
    transaction.event("issue.updated", row["uid"], name=row["name"])


def of_ids(queries: Queries, ids: Sequence[int]) -> list[Issue]:
    """The issues of these row ids, in their order."""
    rows = {
        row["id"]: row
        for marks, named in groups(ids)
        for row in queries.all(f"{_ISSUES} WHERE i.id IN ({marks})", **named)
    }
    return [of_row(rows[one]) for one in ids]


def of_row(row: Row) -> Issue:
    return Issue(
        issue_id=row["uid"],
        experiment=row["experiment_name"],
        experiment_number=row["experiment"],
        name=row["name"],
        description=row["description"],
        status=row["status"],
        severity=row["severity"],
        root_causes=json.loads(row["root_causes_json"]),
        categories=json.loads(row["categories_json"]),
        traces=row["traces"],
        created=row["created"],
        updated=row["updated"],
        source_run=row["source_run"],
        created_by=row["created_by"],
    )
