"""The records of evaluation datasets."""

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Limit, Text
from ml_workspace_lab.evaluation import record_store, store
from ml_workspace_lab.evaluation.fields import extended
from ml_workspace_lab.evaluation.merging import user_in
from ml_workspace_lab.evaluation.model import (
    DatasetId,
    DeletedRecords,
    DeleteRecords,
    EvaluationRecordList,
    PutCount,
    PutRecords,
)
from ml_workspace_lab.experiments.search.records import from_token, to_token
from ml_workspace_lab.storage.database import Row, Transaction, now

RECORDS_LIMIT = 64 * 1024 * 1024


class EvaluationRecords(Service):
    """Inputs of an application, each with what is expected of it. A dataset has one record for the
    same inputs."""

    @operation(
        "POST",
        "/evaluation-datasets/{dataset_id}/records",
        action="experiments/runs/write",
        body_limit=RECORDS_LIMIT,
    )
    def put(self, dataset_id: DatasetId, body: PutRecords) -> PutCount:
        """Add records, all or none; what is said of inputs that are there is merged with what was
        said of them."""
        users = [user for record in body.items if (user := user_in(record.tags))]
        with self.storage.database.write() as transaction:
            row = store.row_of(transaction, dataset_id)
            moment = _later(row)
            done = record_store.put(transaction, row["id"], body.items, moment)
            fields = extended(row["fields_json"], body.items)
            user = users[-1] if users else None
            self._tell(transaction, row, moment, fields_json=fields, updated_by=user)
        return done

    @operation("GET", "/evaluation-datasets/{dataset_id}/records", action="experiments/runs/read")
    def list(
        self, dataset_id: DatasetId, limit: Limit = 100, after: Text | None = None
    ) -> EvaluationRecordList:
        """Records, the oldest first; fewer than `limit` where they are large."""
        last = 0
        if after is not None:
            (place,) = from_token(after, dataset_id, "after")
            last = int(place)
        with self.storage.database.read() as queries:
            row = store.row_of(queries, dataset_id)
            items, following = record_store.page(queries, row["id"], last, limit)
        token = None if following is None else to_token([following], dataset_id)
        return EvaluationRecordList(items, token)

    @operation(
        "POST", "/evaluation-datasets/{dataset_id}/records/delete", action="experiments/runs/delete"
    )
    def delete(self, dataset_id: DatasetId, body: DeleteRecords) -> DeletedRecords:
        """Delete records for good; those that aren't there are passed over."""
        with self.storage.database.write(frees=True) as transaction:
            row = store.row_of(transaction, dataset_id)
            count = record_store.delete(transaction, row["id"], body.record_ids)
            if count:
                self._tell(transaction, row, _later(row))
        return DeletedRecords(count)

    def _tell(self, transaction: Transaction, row: Row, moment: int, **columns: str | None) -> None:
        """Let the dataset say that its records are others now."""
        store.change(
            transaction,
            row,
            updated=moment,
            digest=store.digest(row["name"], moment),
            records=record_store.count(transaction, row["id"]),
            **columns,
        )


def _later(row: Row) -> int:
    """This moment, and one that the dataset has not had: by it the digest is another one."""
    return max(now(), int(row["updated"]) + 1)
