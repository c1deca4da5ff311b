"""What an issue is: a problem of an application that was found in traces of an experiment."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import Limit, Millis, Name, RunId, Text, text_like

IssueId = Annotated[str, text_like(r"^iss-[0-9a-f]{32}$(?!\n)", "is not the id of an issue")]
Title = Annotated[str, Meta(min_length=1, max_length=1000)]
IssueStatus = Literal["pending", "rejected", "resolved"]
IssueSeverity = Literal["not_an_issue", "low", "medium", "high"]


class Issue(Struct, frozen=True):
    """An issue as it is now. `traces` counts those that have an assessment of the kind `issue` with
    its id as the name; `source_run` is the run that found it."""

    issue_id: str
    experiment: str
    experiment_number: int
    name: str
    description: str
    status: IssueStatus
    severity: IssueSeverity | None
    root_causes: list[str]
    categories: list[str]
    traces: int
    created: Millis
    updated: Millis
    source_run: str | None = None
    created_by: str | None = None


class IssueList(Struct, frozen=True):
    """Issues; `next` is the `after` that asks for the part that follows."""

    items: list[Issue]
    next: str | None = None


class CreateIssue(Struct, frozen=True, forbid_unknown_fields=True):
    name: Title
    description: Text
    status: IssueStatus = "pending"
    severity: IssueSeverity | None = None
    root_causes: list[Text] = field(default_factory=list)
    categories: list[Text] = field(default_factory=list)
    source_run: RunId | None = None
    created_by: Text | None = None


class UpdateIssue(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; the rest stays."""

    name: Title | None = None
    description: Text | None = None
    status: IssueStatus | None = None
    severity: IssueSeverity | None = None


class SearchIssues(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for, in some experiments or in all that are not in the trash: `filter` and
    `order_by` in the grammar of the search for runs."""

    filter: Text = ""
    experiments: list[Name] | None = None
    order_by: list[Text] = field(default_factory=list)
    limit: Limit = 100
    after: Text | None = None
