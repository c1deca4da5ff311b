"""The calls about issues."""

import re
from collections.abc import Sequence
from typing import TypeVar, get_args

from msgspec import Struct, field

from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.mlflow import lookup, paging
from ml_workspace_lab.mlflow.answers import answer
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.tracing.issue import (
    CreateIssue,
    Issue,
    IssueSeverity,
    IssueStatus,
    SearchIssues,
    UpdateIssue,
)

T = TypeVar("T", bound=str)

STATUSES: tuple[IssueStatus, ...] = get_args(IssueStatus)
SEVERITIES: tuple[IssueSeverity, ...] = get_args(IssueSeverity)
_ISSUE_ID = re.compile(r"iss-[0-9a-f]{32}")


class Shown(Struct, frozen=True, omit_defaults=True):
    """An issue as the protocol shows it."""

    issue_id: str
    experiment_id: str
    name: str
    description: str
    status: str
    created_timestamp: int
    last_updated_timestamp: int
    severity: str | None = None
    root_causes: list[str] = field(default_factory=list)
    source_run_id: str | None = None
    categories: list[str] = field(default_factory=list)
    created_by: str | None = None
    trace_count: int | None = None


class Create(Struct):
    experiment_id: str
    name: str
    description: str
    status: str = "pending"
    severity: str | None = None
    root_causes: list[str] = field(default_factory=list)
    source_run_id: str = ""
    categories: list[str] = field(default_factory=list)
    created_by: str = ""


class Update(Struct):
    name: str = ""
    description: str = ""
    status: str | None = None
    severity: str | None = None


class Search(Struct):
    experiment_id: str = ""
    filter_string: str = ""
    max_results: int = 100
    page_token: str = ""
    include_trace_count: bool = False


def create(request: Request) -> Response:
    call = body(request, Create)
    experiment = lookup.experiment(request.connection, call.experiment_id)
    if experiment.deleted is not None:
        raise NotFound(f"No Experiment with id={experiment.number} exists", field="experiment_id")
    if call.source_run_id:
        lookup.run(request.connection, call.source_run_id)
    made = request.connection.issues.create(
        experiment.name,
        CreateIssue(
            name=call.name,
            description=call.description,
            status=_one_of(STATUSES, call.status, "status"),
            severity=_severity(call.severity),
            root_causes=call.root_causes,
            categories=call.categories,
            source_run=call.source_run_id or None,
            created_by=call.created_by or None,
        ),
    )
    return answer(issue=shown_as(made))


def get(request: Request) -> Response:
    return answer(issue=shown_as(_named(request)))


def update(request: Request) -> Response:
    """What is empty stays as it is."""
    call = body(request, Update)
    status = None if call.status is None else _one_of(STATUSES, call.status, "status")
    change = UpdateIssue(
        call.name or None, call.description or None, status, _severity(call.severity)
    )
    changed = request.connection.issues.update(_named(request).issue_id, change)
    return answer(issue=shown_as(changed))


def search(request: Request) -> Response:
    """The gravest first; where traces are counted, then those that most of them have."""
    call = body(request, Search)
    paging.check_listed(call.max_results)
    names = None
    if call.experiment_id:
        names = lookup.experiment_names(request.connection, [call.experiment_id])
    order = ["severity DESC", "traces DESC"] if call.include_trace_count else []
    found, following = paging.gathered(
        lambda limit, token: request.connection.issues.search(
            SearchIssues(call.filter_string, names, order, limit, token)
        ),
        call.max_results,
        call.page_token,
        _size,
    )
    shown = [shown_as(one, counted=call.include_trace_count) for one in found]
    return answer(issues=shown, next_page_token=following or "")


def shown_as(issue: Issue, *, counted: bool = False) -> Shown:
    """`counted`: with the number of traces that have it."""
    return Shown(
        issue_id=issue.issue_id,
        experiment_id=str(issue.experiment_number),
        name=issue.name,
        description=issue.description,
        status=issue.status,
        created_timestamp=issue.created,
        last_updated_timestamp=issue.updated,
        severity=issue.severity,
        root_causes=issue.root_causes,
        source_run_id=issue.source_run,
        categories=issue.categories,
        created_by=issue.created_by,
        trace_count=issue.traces if counted else None,
    )


def _named(request: Request) -> Issue:
    issue_id = request.path["issue_id"]
    if not _ISSUE_ID.fullmatch(issue_id):  # An id that no issue can have is none's.
        raise NotFound(f"Issue with ID '{issue_id[:80]}' not found", field="issue_id")
    found: Issue = request.connection.issues.get(issue_id)
    return found


def _severity(given: str | None) -> IssueSeverity | None:
    return None if given is None else _one_of(SEVERITIES, given, "severity")


def _one_of(known: Sequence[T], given: str, name: str) -> T:
    for one in known:
        if one == given:
            return one
    raise InvalidInput(
        f"Invalid value {given[:80]!r} for parameter '{name}' supplied. It must be one of"
        f" {', '.join(known)}.",
        field=name,
    )


def _size(issue: Issue) -> int:
    return len(issue.description) + sum(map(len, [*issue.root_causes, *issue.categories]))


_ONE = r"issues/(?P<issue_id>[^/]+)"
CALLS = (
    ("POST", "issues", create),
    ("POST", "issues/search", search),
    ("GET", _ONE, get),
    ("PATCH", _ONE, update),
)
