"""The registry: versions of models, whose files never change."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Nothing, RelativePath, Version
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, shown
from ml_workspace_lab.experiments.artifacts import media_type
from ml_workspace_lab.models import inspection, store
from ml_workspace_lab.models.model import (
    PROMPT_TAG,
    ModelFile,
    ModelInfo,
    ModelList,
    ModelName,
    ModelVersion,
    ModelVersionList,
    RegisterModel,
    UpdateModelVersion,
)
from ml_workspace_lab.models.sources import Source, below, resolve
from ml_workspace_lab.storage.database import Transaction
from ml_workspace_lab.storage.paths import relative


class Models(Service):
    """Registered models."""

    @operation("GET", "/models", action="models/read")
    def list(self) -> ModelList:
        """All models, the one that was changed last first; prompts are left out."""
        return ModelList(
            [m for m in store.models(self.storage.database) if m.tags.get(PROMPT_TAG) != "true"]
        )

    @operation("GET", "/models/{name}", action="models/read")
    def get(self, name: ModelName) -> ModelInfo:
        return store.model(self.storage.database, name)

    @operation("GET", "/models/{name}/versions", action="models/read")
    def versions(self, name: ModelName) -> ModelVersionList:
        """All versions of a model, the newest first."""
        self.get(name)
        return ModelVersionList(store.versions(self.storage.database, name))

    @operation("GET", "/models/{name}/versions/{version}", action="models/read")
    def version(self, name: ModelName, version: Version) -> ModelVersion:
        """One version of a model. Raises NotFound."""
        return store.version(self.storage.database, name, version)

    @operation("POST", "/models/{name}/versions", action="models/write")
    def register(self, name: ModelName, body: RegisterModel) -> ModelVersion:
        """A new version, from a run's artifacts, from contents put before, or from a source."""
        source = self._source(body)
        run_id = body.run_id or source.run_id
        snapshot = self._snapshot(body, source)
        # Looked into before the transaction: whoever writes would wait for the disk otherwise.
        heads = (self._head(file) for file in source.files)
        framework = body.framework or inspection.framework([f.path for f in source.files], heads)
        executes_code = any(self._executes_code(file) for file in source.files)
        with self.storage.database.write() as transaction:
            for file in source.files:
                self._checked(file)  # what was there may have been purged meanwhile
            number = store.insert_version(
                transaction,
                name,
                source.files,
                run=run_id,
                snapshot=snapshot,
                logged_model=body.model_id or source.model_id,
                source=source.uri or None,
                run_link=body.run_link,
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
        with self.storage.database.write() as transaction:
            present = store.version(transaction, name, version)
            _check_properties(present.properties, body.properties)
            removed = [key for key in dict.fromkeys(body.remove_tags) if key in present.tags]
            kept = {key: text for key, text in present.tags.items() if key not in removed}
            described = body.description is not msgspec.UNSET
            store.change_version(
                transaction,
                name,
                version,
                description=body.description if described else present.description,
                tags_json=json.dumps(kept | body.tags),
                properties_json=json.dumps(present.properties | body.properties),
            )
            transaction.event("model.updated", name, version=str(version))
            tag_events(transaction, name, body.tags, removed, version=str(version))
        return self.version(name, version)

    @operation("DELETE", "/models/{name}/versions/{version}", action="models/delete")
    def delete(self, name: ModelName, version: Version) -> Nothing:
        """Delete a version. Raises Conflict while an endpoint serves it. Its number stays used."""
        with self.storage.database.write(frees=True) as transaction:
            store.version(transaction, name, version)
            self.check_not_served(name, version)  # and no endpoint comes to it meanwhile
            store.delete_version(transaction, name, version)
            store.touch(transaction, name)
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
                    media_type=media_type(path),
                    filename=path.rpartition("/")[2],
                )
        raise NotFound(f"{name}:{version} has no file {path!r}.", field="path")

    def check_not_served(self, name: str, version: int | None = None) -> None:
        """Raise Conflict where an endpoint serves that version, or any of the model."""
        for endpoint in self.services.endpoints.list().items:
            for one in endpoint.deployments:
                if one.model == name and version in (None, one.model_version):
                    raise Conflict(
                        f"The endpoint {endpoint.name} serves {name}:{one.model_version}.",
                        field="name" if version is None else "version",
                        hint="Delete the endpoint, or deploy another version to it, first.",
                    )

    def _source(self, body: RegisterModel) -> Source:
        ways = (body.artifact_path, body.files or None, body.source)
        if sum(way is not None for way in ways) != 1:
            raise InvalidInput("Give one of artifact_path, files and source.", field="files")
        if body.source is not None:
            return self._of_uri(body.source, body)
        if body.artifact_path is not None:
            if body.run_id is None:
                raise InvalidInput("artifact_path: wants a run_id too.", field="run_id")
            path = relative(body.artifact_path, "artifact_path")
            return Source("", self._artifacts(body.run_id, path))
        return Source("", _side_by_side([self._checked(file) for file in body.files]))

    def _of_uri(self, uri: str, body: RegisterModel) -> Source:
        is_prompt = body.tags.get(PROMPT_TAG) == "true"
        source = resolve(self.services, self.storage.database, uri, is_prompt=is_prompt)
        for field, given, found in (
            ("run_id", body.run_id, source.run_id if source.is_of_run else None),
            ("model_id", body.model_id, source.model_id),
        ):
            if given and found and given != found:
                raise InvalidInput(
                    f"Invalid model version source: {shown(uri)} belongs to {found}, not {given}.",
                    field=field,
                )
        return source

    def _snapshot(self, body: RegisterModel, source: Source) -> str | None:
        """What the run's code was. The caller's run must be there, that of a source need not."""
        if body.run_id is not None:
            return self.services.runs.get(body.run_id).snapshot_id
        with suppress(NotFound):
            return self.services.runs.get(source.run_id).snapshot_id if source.run_id else None
        return None

    def _artifacts(self, run_id: str, path: str) -> "tuple[ModelFile, ...]":
        """The artifact of that name, or those below it with names relative to it."""
        artifacts = self.services.artifacts.list(run_id).items
        found = below((ModelFile(a.path, a.digest, a.size) for a in artifacts), path)
        if not found:
            known = ", ".join(artifact.path for artifact in artifacts[:20]) or "none"
            raise NotFound(
                f"Run {run_id} has no artifact {path!r}.",
                field="artifact_path",
                hint=f"Its artifacts: {known}.",
            )
        return found

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


def _check_properties(present: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for key, value in wanted.items():
        if present.get(key, value) != value:
            raise Conflict(
                f"The property {key!r} is set already and can't be changed.",
                field=f"properties.{key}",
                hint="Use a tag for what may change.",
            )


def tag_events(
    transaction: Transaction,
    name: str,
    tags: Mapping[str, str],
    removed: Iterable[str],
    **version: str,
) -> None:
    """Tell of tags that were set and removed, of a model or of one version."""
    for key, value in tags.items():
        transaction.event("model.tagged", name, key=key, value=value, **version)
    for key in removed:
        transaction.event("model.untagged", name, key=key, **version)


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
