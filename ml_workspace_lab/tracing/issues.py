"""Issues: written down, found, read and changed."""

import os

import msgspec

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Name
from ml_workspace_lab.experiments.service import require_not_deleted
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.tracing import issue_search
from ml_workspace_lab.tracing import issue_store as store
from ml_workspace_lab.tracing.issue import (
    CreateIssue,
    Issue,
    IssueId,
    IssueList,
    SearchIssues,
    UpdateIssue,
)


class Issues(Service):
    """Problems of applications that were found in their traces. An assessment of the kind `issue`,
    with the id of one as its name, says that a trace has it."""

    @operation("POST", "/experiments/{experiment}/issues", action="experiments/runs/write")
    def create(self, experiment: Name, body: CreateIssue) -> Issue:
        """A new issue of an experiment.

        Raises Conflict where that is in the trash, NotFound where the run that found it is not
        there.
        """
        info = self.services.experiments.get(experiment)
        require_not_deleted(info)
        if body.source_run is not None:
            self.services.runs.get(body.source_run)
        issue_id = f"iss-{os.urandom(16).hex()}"
        with self.storage.database.write() as transaction:
            moment = now()
            store.insert(transaction, issue_id, info.number, body, (moment, moment))
        return self.get(issue_id)

    @operation("GET", "/issues/{issue_id}", action="experiments/runs/read")
    def get(self, issue_id: IssueId) -> Issue:
        """The issue as it is now."""
        return store.of_row(store.row_of(self.storage.database, issue_id))

    @operation("PATCH", "/issues/{issue_id}", action="experiments/runs/write")
    def update(self, issue_id: IssueId, body: UpdateIssue) -> Issue:
        """Change what is given."""
        given = msgspec.structs.asdict(body)
        changes = {name: value for name, value in given.items() if value is not None}
        with self.storage.database.write() as transaction:
            store.change(transaction, store.row_of(transaction, issue_id), **changes)
        return self.get(issue_id)

    @operation("POST", "/issue-search", action="experiments/runs/read", audited=False)
    def search(self, body: SearchIssues) -> IssueList:
        """Issues that a filter matches: the gravest first, unless `order_by` says otherwise."""
        return issue_search.issues(self.storage.database, body)
