"""The registry's models: made, renamed and found, with aliases and stages for their versions."""

import json

import msgspec

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Nothing, Version
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.models import search, store
from ml_workspace_lab.models.model import (
    Alias,
    CreateModel,
    ModelInfo,
    ModelList,
    ModelName,
    ModelVersion,
    ModelVersionList,
    SearchModels,
    SetAlias,
    SetStage,
    UpdateModel,
)
from ml_workspace_lab.models.service import tag_events
from ml_workspace_lab.storage.database import Transaction


class Registry(Service):
    """Models as a whole; their versions are the service `models`."""

    @operation("POST", "/models", action="models/write")
    def create(self, body: CreateModel) -> ModelInfo:
        """A model without versions. Raises Conflict where there is one of that name."""
        with self.storage.database.write() as transaction:
            if not store.insert_model(transaction, body.name, body.description, body.tags):
                raise _taken(body.name)
        return self.services.models.get(body.name)

    @operation("PATCH", "/models/{name}", action="models/write")
    def change(self, name: ModelName, body: UpdateModel) -> ModelInfo:
        """Rename it, describe it, set its tags. Raises Conflict where the name is taken."""
        with self.storage.database.write() as transaction:
            present = store.model(transaction, name)
            new = name if body.name is msgspec.UNSET else body.name
            if new != name:
                self._check_free(transaction, name, new)
            removed = [key for key in dict.fromkeys(body.remove_tags) if key in present.tags]
            kept = {key: text for key, text in present.tags.items() if key not in removed}
            described = body.description is not msgspec.UNSET
            store.change_model(
                transaction,
                name,
                new,
                description=body.description if described else present.description,
                tags_json=json.dumps(kept | body.tags),
            )
            tag_events(transaction, new, body.tags, removed)
        return self.services.models.get(new)

    @operation("DELETE", "/models/{name}", action="models/delete")
    def remove(self, name: ModelName) -> Nothing:
        """Delete a model with all its versions. Raises Conflict while an endpoint serves one."""
        with self.storage.database.write() as transaction:
            store.model(transaction, name)
            self.services.models.check_not_served(name)
            store.delete_model(transaction, name)
        return Nothing()

    @operation("POST", "/model-search", action="models/read", audited=False)
    def search(self, body: SearchModels) -> ModelList:
        """Models that a filter matches, by name unless `order_by` says otherwise."""
        return search.models(self.storage.database, body)

    @operation("POST", "/model-version-search", action="models/read", audited=False)
    def versions(self, body: SearchModels) -> ModelVersionList:
        """Versions of all models that a filter matches, the one that was changed last first."""
        return search.versions(self.storage.database, body)

    @operation("GET", "/models/{name}/latest", action="models/read")
    def latest(self, name: ModelName) -> ModelVersionList:
        """The newest version of each stage that has one."""
        store.model(self.storage.database, name)
        return ModelVersionList(store.latest(self.storage.database, [name]))

    @operation("GET", "/models/{name}/aliases/{alias}", action="models/read")
    def by_alias(self, name: ModelName, alias: Alias) -> ModelVersion:
        """The version that an alias names."""
        number = self.services.models.get(name).aliases.get(alias)
        if number is None:
            raise _no_alias(name, alias)
        return store.version(self.storage.database, name, number)

    @operation("PUT", "/models/{name}/aliases/{alias}", action="models/write")
    def set_alias(self, name: ModelName, alias: Alias, body: SetAlias) -> ModelInfo:
        """Let an alias name this version, and no other from now on."""
        with self.storage.database.write() as transaction:
            store.version(transaction, name, body.version)
            store.set_alias(transaction, name, alias, body.version)
        return self.services.models.get(name)

    @operation("DELETE", "/models/{name}/aliases/{alias}", action="models/write")
    def delete_alias(self, name: ModelName, alias: Alias) -> ModelInfo:
        """Take an alias away. Raises NotFound where the model has none of that name."""
        with self.storage.database.write() as transaction:
            if alias not in store.model(transaction, name).aliases:
                raise _no_alias(name, alias)
            store.delete_alias(transaction, name, alias)
        return self.services.models.get(name)

    @operation("POST", "/models/{name}/versions/{version}/stage", action="models/write")
    def move(self, name: ModelName, version: Version, body: SetStage) -> ModelVersion:
        """Bring a version to a stage."""
        if body.archive_existing and body.stage not in ("Staging", "Production"):
            raise InvalidInput(
                f"Model version transition cannot archive existing model versions because"
                f" '{body.stage}' is not an Active stage: Staging and Production are.",
                field="archive_existing",
            )
        with self.storage.database.write() as transaction:
            store.version(transaction, name, version)
            if body.archive_existing:
                for other in store.versions(transaction, name):
                    if other.stage == body.stage and other.version != version:
                        store.move(transaction, name, other.version, "Archived")
            store.move(transaction, name, version, body.stage)
            store.touch(transaction, name)
        return self.services.models.version(name, version)

    def _check_free(self, transaction: Transaction, name: str, new: str) -> None:
        """Raise Conflict where `name` can't become `new`: it is taken, or an endpoint serves the
        model by its name."""
        self.services.models.check_not_served(name)
        try:
            store.model(transaction, new)
        except NotFound:
            return
        raise _taken(new)


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a model {name!r} already.", field="name")


def _no_alias(name: str, alias: str) -> NotFound:
    return NotFound(f"The model {name!r} has no alias {alias!r}.", field="alias")
