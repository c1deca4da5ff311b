"""The registry: versions of models, whose files never change."""

import json

import msgspec

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Nothing, RelativePath, Version
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.models import inspection, store
from ml_workspace_lab.models.model import (
    ModelFile,
    ModelInfo,
    ModelList,
    ModelName,
    ModelVersion,
    ModelVersionList,
    RegisterModel,
    UpdateModelVersion,
)
from ml_workspace_lab.storage.paths import relative


class Models(Service):
    """Registered models."""

    @operation("GET", "/models", action="models/read")
    def list(self) -> ModelList:
        """All models, the one with the newest version first."""
        return ModelList(store.models(self.storage.database))

    @operation("GET", "/models/{name}", action="models/read")
    def get(self, name: ModelName) -> ModelInfo:
        found = store.models(self.storage.database, name)
        if not found:
            raise store.no_model(name)
        return found[0]

    @operation("GET", "/models/{name}/versions", action="models/read")
    def versions(self, name: ModelName) -> ModelVersionList:
        """All versions of a model, the newest first."""
        self.get(name)
        return ModelVersionList(store.versions(self.storage.database, name))

    @operation("GET", "/models/{name}/versions/{version}", action="models/read")
    def version(self, name: ModelName, version: Version) -> ModelVersion:
        return store.version(self.storage.database, name, version)

    @operation("POST", "/models/{name}/versions", action="models/write")
    def register(self, name: ModelName, body: RegisterModel) -> ModelVersion:
        """A new version, from a run's artifacts or from contents put before."""
        snapshot = None
        if body.run_id is not None:
            snapshot = self.services.runs.get(body.run_id).snapshot_id
        files = self._files(body)
        # Looked into before the transaction: whoever writes would wait for the disk otherwise.
        heads = (self._head(file) for file in files)
        framework = body.framework or inspection.framework([f.path for f in files], heads)
        executes_code = any(self._executes_code(file) for file in files)
        with self.storage.database.write() as transaction:
            number = store.insert_version(
                transaction,
                name,
                files,
                run=body.run_id,
                snapshot=snapshot,
                framework=framework,
                description=body.description,
                tags_json=json.dumps(body.tags),
                properties_json=json.dumps(body.properties),
                executes_code=int(executes_code),
                user=caller().name,
            )
        return self.version(name, number)

    @operation("PATCH", "/models/{name}/versions/{version}", action="models/write")
    def update(self, name: ModelName, version: Version, body: UpdateModelVersion) -> ModelVersion:
        """Set tags and description, add properties. Raises Conflict on a property that exists."""
        present = self.version(name, version)
        for key, value in body.properties.items():
            if present.properties.get(key, value) != value:
                raise Conflict(
                    f"The property {key!r} is set already and can't be changed.",
                    field=f"properties.{key}",
                    hint="Use a tag for what may change.",
                )
        description = body.description
        tags = {k: v for k, v in present.tags.items() if k not in body.remove_tags} | body.tags
        with self.storage.database.write() as transaction:
            store.update_version(
                transaction,
                name,
                version,
                description=present.description if description is msgspec.UNSET else description,
                tags=tags,
                properties=present.properties | body.properties,
            )
        return self.version(name, version)

    @operation("DELETE", "/models/{name}/versions/{version}", action="models/delete")
    def delete(self, name: ModelName, version: Version) -> Nothing:
        """Delete a version. Raises Conflict while an endpoint serves it. Its number stays used."""
        self.version(name, version)
        for endpoint in self.services.endpoints.list().items:
            if (endpoint.model, endpoint.model_version) == (name, version):
                raise Conflict(
                    f"The endpoint {endpoint.name} serves {name}:{version}.",
                    field="version",
                    hint="Delete the endpoint, or deploy another version to it, first.",
                )
        with self.storage.database.write() as transaction:
            store.delete_version(transaction, name, version)
        return Nothing()

    @operation("GET", "/models/{name}/versions/{version}/files/{path}", action="models/read")
    def file(self, name: ModelName, version: Version, path: RelativePath) -> Content:
        """The bytes of one file of a version."""
        path = relative(path)
        for file in self.version(name, version).files:
            if file.path == path:
                return Content(
                    stream=self.storage.blobs.open(file.digest),
                    size=file.size,
                    media_type="application/octet-stream",
                    filename=path.rpartition("/")[2],
                )
        raise NotFound(f"{name}:{version} has no file {path!r}.", field="path")

    def _files(self, body: RegisterModel) -> "tuple[ModelFile, ...]":
        if (body.artifact_path is None) == (not body.files):
            raise InvalidInput("Give either artifact_path or files.", field="files")
        if body.artifact_path is not None:
            if body.run_id is None:
                raise InvalidInput("artifact_path: wants a run_id too.", field="run_id")
            return self._artifacts(body.run_id, relative(body.artifact_path, "artifact_path"))
        return _side_by_side([self._checked(file) for file in body.files])

    def _artifacts(self, run_id: str, path: str) -> "tuple[ModelFile, ...]":
        """The artifact of that name, or those below it with names relative to it."""
        artifacts = self.services.artifacts.list(run_id).items
        found = [
            ModelFile(
                a.path.rpartition("/")[2] if a.path == path else a.path.removeprefix(path + "/"),
                a.digest,
                a.size,
            )
            for a in artifacts
            if a.path == path or a.path.startswith(path + "/")
        ]
        if not found:
            known = ", ".join(artifact.path for artifact in artifacts[:20]) or "none"
            raise NotFound(
                f"Run {run_id} has no artifact {path!r}.",
                field="artifact_path",
                hint=f"Its artifacts: {known}.",
            )
        return tuple(found)

    def _checked(self, file: ModelFile) -> ModelFile:
        path = relative(file.path, "files.path")
        if not self.storage.blobs.has(file.digest):
            raise InvalidInput(
                f"The content of {path!r} is missing.", field="files", hint="Put it first."
            )
        return ModelFile(path, file.digest, self.storage.blobs.size(file.digest))

    def _head(self, file: ModelFile) -> bytes:
        with self.storage.blobs.open(file.digest) as content:
            return content.read(inspection.HEAD)

    def _executes_code(self, file: ModelFile) -> bool:
        with self.storage.blobs.open(file.digest) as content:
            return inspection.executes_code(file.path, content)


def _side_by_side(files: "list[ModelFile]") -> "tuple[ModelFile, ...]":
    """The files. Raises InvalidInput where two could not lie in one folder."""
    paths = {file.path for file in files}
    for file in files:
        folders = (file.path[:at] for at, char in enumerate(file.path) if char == "/")
        if blocked := next((folder for folder in folders if folder in paths), None):
            raise InvalidInput(f"{blocked!r} is a file and a folder.", field="files")
    if len(paths) < len(files):
        raise InvalidInput("Two files have the same path.", field="files")
    return tuple(files)
