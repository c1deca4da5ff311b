"""Registered models of an MLflow store, with the files of their versions."""

from collections.abc import Sequence

import msgspec

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.models import inspection
from ml_workspace_lab.models.model import PROMPT_TAG, STAGES, ModelFile
from ml_workspace_lab.models.records import ModelRecord, differences, other_aliases, write_model
from ml_workspace_lab.models.sources import resolve
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.database import Queries
from ml_workspace_lab.transfer import placing
from ml_workspace_lab.transfer.mlflow_artifacts import ArtifactRoot
from ml_workspace_lab.transfer.mlflow_source import SourceRegistered, SourceVersion
from ml_workspace_lab.transfer.report import ImportReport, keep_fitting

_OWN_FIELDS = ("version", "created", "updated", "description", "user", "run_link", "stage")


class Registry:
    """Takes registered models; versions that are here already stay as they are."""

    def __init__(self, services: Services, root: ArtifactRoot, report: ImportReport) -> None:
        self._services = services
        self._storage = services.storage
        self._root = root
        self._report = report

    def take(self, models: Sequence[SourceRegistered]) -> None:
        for model in models:
            with placing.contents(self._storage) as contents:
                try:
                    record = self._record(model, contents)
                except (WorkspaceError, msgspec.ValidationError) as error:
                    self._report.leave_out("registered model", model.name, str(error))
                    continue
                with self._storage.database.write() as transaction:
                    contents.require()
                    self._compare(transaction, record)
                    self._report.model_versions += write_model(transaction, record)

    def _compare(self, queries: Queries, record: ModelRecord) -> None:
        """Report versions that are here with other content, and aliases of other versions."""
        for number, names in differences(queries, record).items():
            owner = f"{record.name}/{number}"
            self._report.leave_out("model version", owner, placing.told(names))
        for alias, here in other_aliases(queries, record).items():
            reason = f"It names version {here} here."
            self._report.leave_out("alias", f"{record.name}@{alias}", reason)

    def _record(self, model: SourceRegistered, contents: placing.Contents) -> ModelRecord:
        values = {
            "name": model.name,
            "created": model.created,
            "updated": model.updated,
            "description": model.description,
            "tags": keep_fitting(model.tags, str, self._report, "tag", model.name),
            "aliases": model.aliases,
            "versions": [self._version(model, one, contents) for one in model.versions],
        }
        return msgspec.convert(values, ModelRecord)

    def _version(
        self, model: SourceRegistered, version: SourceVersion, contents: placing.Contents
    ) -> dict[str, object]:
        owner = f"{model.name}/{version.version}"
        is_prompt = model.tags.get(PROMPT_TAG, "").lower() == "true"
        files = [] if is_prompt else self._files(owner, version, contents)
        found: dict[str, object] = {name: getattr(version, name) for name in _OWN_FIELDS}
        if version.stage not in STAGES:
            self._report.leave_out("stage", owner, f"{version.stage!r} is unknown.")
            found["stage"] = "None"
        blobs = self._storage.blobs
        heads = []
        for file in files:
            with blobs.open(file.digest) as stream:
                heads.append(stream.read(inspection.HEAD))
                stream.seek(0)
                found["executes_code"] = bool(found.get("executes_code")) or (
                    inspection.executes_code(file.path, stream)
                )
        source = version.source
        return {
            **found,
            "source": source if ":" in source and not source.startswith("file:") else None,
            "run_id": version.run or None,
            "model_id": source.removeprefix("models:/")
            if source.startswith("models:/m-")
            else None,
            "framework": inspection.framework([file.path for file in files], heads),
            "tags": keep_fitting(version.tags, str, self._report, "tag", owner),
            "files": list(map(msgspec.to_builtins, files)),
        }

    def _files(
        self, owner: str, version: SourceVersion, contents: placing.Contents
    ) -> list[ModelFile]:
        """The files of a version: what its source names here, else what lies there."""
        if version.source.startswith(("models:/", "runs:/")):
            try:
                source = resolve(
                    self._services, self._storage.database, version.source, is_prompt=False
                )
            except WorkspaceError as error:
                self._report.leave_out("model version", owner, error.message)
                return []
            return list(source.files)
        place, reason = self._root.folder(version.location or version.source)
        if place is None:
            self._report.leave_out("model version", owner, reason or "It has no files there.")
            return []

        def leave_out(name: str, reason: str) -> None:
            self._report.leave_out("model file", f"{owner}/{name}", reason)

        found = []
        for name, path in self._root.files(place, leave_out):
            held = contents.put(path)
            found.append(ModelFile(name, held.digest, held.size))
        return found
