"""Logged models: what runs made, before anybody registers it."""

import json
import os
from typing import BinaryIO

import msgspec

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Nothing, RelativePath
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.experiments.artifacts import GIB, media_type
from ml_workspace_lab.models import logged_search
from ml_workspace_lab.models import logged_store as store
from ml_workspace_lab.models.logged_model import (
    AddModelMetrics,
    LoggedModelFiles,
    LoggedModelId,
    LoggedModelInfo,
    LoggedModelList,
    LogModel,
    SearchLoggedModels,
    UpdateLoggedModel,
)
from ml_workspace_lab.storage.database import Queries, now
from ml_workspace_lab.storage.paths import relative


class LoggedModels(Service):
    """Models that runs made."""

    @operation("POST", "/logged-models", action="models/write")
    def create(self, body: LogModel) -> LoggedModelInfo:
        """A new model, pending until its files are there. Raises NotFound where its run isn't
        there, Conflict where its experiment is in the trash."""
        model_id = f"m-{os.urandom(16).hex()}"
        if body.run_id is not None and body.foreign_run is not None:
            raise InvalidInput(
                "Give one of run_id and foreign_run: one run made it.", field="foreign_run"
            )
        if body.run_id is not None:
            self.services.runs.get(body.run_id)
        with self.storage.database.write() as transaction:
            store.insert(
                transaction,
                uid=model_id,
                experiment=self.services.experiments.ensure(transaction, body.experiment),
                name=body.name,
                model_type=body.model_type,
                run=body.run_id or body.foreign_run,
                status="pending",
                params_json=json.dumps(body.params),
                tags_json=json.dumps(body.tags),
            )
        return self.get(model_id)

    @operation("GET", "/logged-models/{model_id}", action="models/read")
    def get(self, model_id: LoggedModelId) -> LoggedModelInfo:
        """The model, in the trash or not."""
        return self._info(self.storage.database, model_id)

    @operation("PATCH", "/logged-models/{model_id}", action="models/write")
    def update(self, model_id: LoggedModelId, body: UpdateLoggedModel) -> LoggedModelInfo:
        """Set its status, parameters and tags. Raises Conflict on a parameter that has another
        value."""
        with self.storage.database.write() as transaction:
            row = store.writable(transaction, model_id)
            params, tags = json.loads(row["params_json"]), json.loads(row["tags_json"])
            _check_unchanged(params, body.params)
            kept = {key: value for key, value in tags.items() if key not in body.remove_tags}
            store.change(
                transaction,
                row,
                "logged_model.updated",
                status=row["status"] if body.status is msgspec.UNSET else body.status,
                params_json=json.dumps(params | body.params),
                tags_json=json.dumps(kept | body.tags),
            )
            return self._info(transaction, model_id)

    @operation("DELETE", "/logged-models/{model_id}", action="models/delete")
    def delete(self, model_id: LoggedModelId) -> Nothing:
        """Put it in the trash: searches leave it out, and it takes no changes."""
        with self.storage.database.write() as transaction:
            row = store.writable(transaction, model_id)
            store.change(transaction, row, "logged_model.deleted", deleted=now())
        return Nothing()

    @operation("POST", "/logged-models/{model_id}/metrics", action="models/write", audited=False)
    def add_metrics(self, model_id: LoggedModelId, body: AddModelMetrics) -> Nothing:
        """Keep values that were measured of it."""
        with self.storage.database.write(durable=False) as transaction:
            row = store.writable(transaction, model_id)
            store.add_metrics(transaction, row["id"], body.items)
            store.change(transaction, row, "logged_model.updated")
        return Nothing()

    @operation("POST", "/logged-model-search", action="models/read", audited=False)
    def search(self, body: SearchLoggedModels) -> LoggedModelList:
        """Models of some experiments that a filter matches, the newest first unless `order_by` says
        otherwise; what lacks a value that is ordered by comes last."""
        return logged_search.search(self.storage.database, body)

    @operation("GET", "/logged-models/{model_id}/files", action="models/read")
    def files(self, model_id: LoggedModelId) -> LoggedModelFiles:
        """The files of a logged model, by path."""
        row = store.row_of(self.storage.database, model_id)
        return LoggedModelFiles(store.files(self.storage.database, row["id"]))

    @operation("GET", "/logged-models/{model_id}/files/{path}", action="models/read")
    def file(self, model_id: LoggedModelId, path: RelativePath) -> Content:
        """The bytes of one file."""
        found = store.find_file(self.storage.database, model_id, relative(path))
        return Content(
            stream=self.storage.blobs.open(found.digest),
            size=found.size,
            media_type=media_type(found.path),
            filename=found.path.rpartition("/")[2],
        )

    @operation(
        "PUT",
        "/logged-models/{model_id}/files/{path}",
        action="models/write",
        body_limit=16 * GIB,
    )
    def put_file(self, model_id: LoggedModelId, path: RelativePath, content: BinaryIO) -> Nothing:
        """Keep `content` under `path`; a file that was there is replaced."""
        path = relative(path)
        store.writable(self.storage.database, model_id)
        with (
            self.storage.blobs.hold(content) as held,
            self.storage.database.write() as transaction,
        ):
            row = store.writable(transaction, model_id)
            held.require()
            store.put_file(transaction, row["id"], path, held.digest, held.size)
            store.change(transaction, row, "logged_model.file")
        return Nothing()

    @operation("DELETE", "/logged-models/{model_id}/files/{path}", action="models/write")
    def delete_file(self, model_id: LoggedModelId, path: RelativePath) -> Nothing:
        """Take one file of a logged model away."""
        path = relative(path)
        with self.storage.database.write() as transaction:
            row = store.writable(transaction, model_id)
            if not store.delete_file(transaction, row["id"], path):
                raise store.no_file(model_id, path)
            store.change(transaction, row, "logged_model.file")
        return Nothing()

    @staticmethod
    def _info(queries: Queries, model_id: str) -> LoggedModelInfo:
        return store.infos(queries, [store.row_of(queries, model_id)])[0]


def _check_unchanged(present: dict[str, str], wanted: dict[str, str]) -> None:
    for key, value in wanted.items():
        if present.get(key, value) != value:
            raise Conflict(
                f"The parameter {key!r} is set already and can't be changed.",
                field=f"params.{key}",
                hint="Use a tag for what may change.",
            )
