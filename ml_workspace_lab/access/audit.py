"""The audit trail: every process that does something leaves entries, so this loads little."""

from ml_workspace_lab.access import store
from ml_workspace_lab.access.model import AuditList
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Int64, Limit


class Audit(Service):
    """Who did what to what, when, and how it ended."""

    @operation("GET", "/audit", action="audit/read")
    def list(self, before: Int64 | None = None, limit: Limit = 100) -> AuditList:
        """The newest entries, or those older than the entry `before`."""
        return AuditList(store.audit(self.storage.database, before, limit))

    def record(
        self, *, principal: str, action: str, target: str, outcome: str, request_id: str
    ) -> None:
        """Add an entry."""
        store.add_audit(
            self.storage.database,
            principal=principal,
            action=action,
            target=target,
            outcome=outcome,
            request_id=request_id,
        )
