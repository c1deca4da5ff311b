"""Evaluation datasets: made, found, changed and deleted."""

import json
import os

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Nothing
from ml_workspace_lab.evaluation import search, store
from ml_workspace_lab.evaluation.merging import user_in
from ml_workspace_lab.evaluation.model import (
    CreateEvaluationDataset,
    DatasetId,
    EvaluationDataset,
    EvaluationDatasetList,
    SearchEvaluationDatasets,
    UpdateEvaluationDataset,
)
from ml_workspace_lab.storage.database import now


class EvaluationDatasets(Service):
    """Inputs of applications with what is expected of them; each may be used by several
    experiments, and outlives them."""

    @operation("POST", "/evaluation-datasets", action="experiments/runs/write")
    def create(self, body: CreateEvaluationDataset) -> EvaluationDataset:
        """A new dataset without records. Raises NotFound where one of its experiments isn't
        there."""
        dataset_id = f"d-{os.urandom(16).hex()}"
        numbers = self._numbers(body.experiments)
        user = user_in(body.tags)
        with self.storage.database.write() as transaction:
            row = store.insert(
                transaction,
                dataset_id,
                body.name,
                tags_json=json.dumps(body.tags),
                created_by=user,
                updated_by=user,
            )
            store.add_to(transaction, row, numbers)
        return self.get(dataset_id)

    @operation("GET", "/evaluation-datasets/{dataset_id}", action="experiments/runs/read")
    def get(self, dataset_id: DatasetId) -> EvaluationDataset:
        """The dataset without its records."""
        database = self.storage.database
        return store.of_rows(database, [store.row_of(database, dataset_id)])[0]

    @operation("PATCH", "/evaluation-datasets/{dataset_id}", action="experiments/runs/write")
    def update(self, dataset_id: DatasetId, body: UpdateEvaluationDataset) -> EvaluationDataset:
        """Set and remove tags, add and remove experiments. Raises NotFound for an experiment that
        isn't there."""
        added = self._numbers(body.add_experiments)
        removed = self._numbers(body.remove_experiments)
        with self.storage.database.write() as transaction:
            row = store.row_of(transaction, dataset_id)
            known = json.loads(row["tags_json"])
            kept = {key: value for key, value in known.items() if key not in body.remove_tags}
            updated = now() if added or removed else row["updated"]
            store.add_to(transaction, row["id"], added)
            store.remove_from(transaction, row["id"], removed)
            store.change(transaction, row, tags_json=json.dumps(kept | body.tags), updated=updated)
        return self.get(dataset_id)

    @operation("DELETE", "/evaluation-datasets/{dataset_id}", action="experiments/runs/delete")
    def delete(self, dataset_id: DatasetId) -> Nothing:
        """Delete it for good, with all of its records."""
        with self.storage.database.write(frees=True) as transaction:
            store.delete(transaction, store.row_of(transaction, dataset_id))
        return Nothing()

    @operation("POST", "/evaluation-dataset-search", action="experiments/runs/read", audited=False)
    def search(self, body: SearchEvaluationDatasets) -> EvaluationDatasetList:
        """Datasets that a filter matches, the newest first unless `order_by` says otherwise."""
        return search.datasets(self.storage.database, body)

    def _numbers(self, experiments: list[str]) -> list[int]:
        return [self.services.experiments.get(name).number for name in experiments]
