"""Assessments of traces: feedback, expectations and issues."""

import msgspec

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Nothing
from ml_workspace_lab.tracing import assessment_store, store
from ml_workspace_lab.tracing.model import (
    Assessment,
    AssessmentId,
    CreateAssessment,
    TraceId,
    UpdateAssessment,
)


class Assessments(Service):
    """What is thought of traces."""

    @operation("POST", "/traces/{trace_id}/assessments", action="experiments/runs/write")
    def create(self, trace_id: TraceId, body: CreateAssessment) -> Assessment:
        """Add an assessment. Raises NotFound where there is no trace, or none that it overrides."""
        with self.storage.database.write() as transaction:
            trace = store.row_of(transaction, trace_id)["id"]
            made = assessment_store.insert(transaction, trace, body)
            transaction.event("trace.assessed", trace_id, assessment=made)
        return self.get(trace_id, made)

    @operation(
        "GET", "/traces/{trace_id}/assessments/{assessment_id}", action="experiments/runs/read"
    )
    def get(self, trace_id: TraceId, assessment_id: AssessmentId) -> Assessment:
        database = self.storage.database
        trace = store.row_of(database, trace_id)["id"]
        return store.assessment(assessment_store.row_of(database, trace, assessment_id), trace_id)

    @operation(
        "PATCH", "/traces/{trace_id}/assessments/{assessment_id}", action="experiments/runs/write"
    )
    def update(
        self, trace_id: TraceId, assessment_id: AssessmentId, body: UpdateAssessment
    ) -> Assessment:
        """Change what is given."""
        given = msgspec.structs.asdict(body)
        changes = {name: value for name, value in given.items() if value is not msgspec.UNSET}
        with self.storage.database.write() as transaction:
            trace = store.row_of(transaction, trace_id)["id"]
            row = assessment_store.row_of(transaction, trace, assessment_id)
            changed = msgspec.structs.replace(store.assessment(row, trace_id), **changes)
            assessment_store.write(transaction, row, changed)
            transaction.event("trace.assessed", trace_id, assessment=assessment_id)
        return self.get(trace_id, assessment_id)

    @operation(
        "DELETE", "/traces/{trace_id}/assessments/{assessment_id}", action="experiments/runs/write"
    )
    def delete(self, trace_id: TraceId, assessment_id: AssessmentId) -> Nothing:
        """Take it away; what it had overridden is valid again."""
        with self.storage.database.write() as transaction:
            trace = store.row_of(transaction, trace_id)["id"]
            row = assessment_store.row_of(transaction, trace, assessment_id)
            assessment_store.delete(transaction, trace, row)
            transaction.event("trace.assessed", trace_id, assessment=assessment_id)
        return Nothing()
