"""Packages: images of models, made in the background and kept until they are deleted."""

import sys
from collections.abc import Sequence
from contextlib import suppress

from ml_workspace_lab import processes
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Nothing, Version
from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.models.model import ModelName, ModelVersion
from ml_workspace_lab.models.packages import interpreters, needs
from ml_workspace_lab.models.packages.folder import PackageFolder, PackageRequest
from ml_workspace_lab.models.packages.model import (
    ModelReference,
    PackageId,
    PackageInfo,
    PackageList,
    PackageModel,
)
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.files import disk_errors, write_atomic

ONNX = "Onnx"
"""The framework of a version that was registered as a graph."""


class Packages(Service):
    """Container images of models."""

    @operation("POST", "/models/{name}/versions/{version}/packages", action="models/package/action")
    def create(self, name: ModelName, version: Version, body: PackageModel) -> PackageInfo:
        """Begin to make an image of a version. Raises InvalidInput where it is clear already that
        none can be made, Conflict where loading a version executes code and nobody has decided to
        trust it: its container loads it without asking."""
        models = [ModelReference(name, version), *body.models]
        self._check(models, body)
        script = self._script(body.scoring_script)
        folder = PackageFolder.of(self.storage.root, new_id())
        environment = None
        if body.environment is not None:
            found = self.services.environments.resolve(body.environment)
            environment = f"{found.name}:{found.version}"
        with disk_errors():
            folder.create(
                PackageRequest(
                    models,
                    environment,
                    script is not None,
                    body.for_base,
                    now(),
                    caller().name,
                    body.engine,
                )
            )
            if script is not None:
                write_atomic(folder.script, script)
            words = ["ml_workspace_lab.models.packages", str(self.storage.root), folder.path.name]
            native = processes.start(
                [sys.executable, "-m", *words],
                environment={**clean_environment(), folder.variable: folder.mark},
                folder=folder.path,
                log=folder.log,
            )
            write_atomic(folder.process, native.encode())
        return folder.info()

    @operation("GET", "/packages", action="models/read")
    def list(self) -> PackageList:
        """Every package, the newest first."""
        found = []
        for folder in PackageFolder.all(self.storage.root):
            with suppress(NotFound):  # deleted meanwhile
                found.append(folder.info())
        return PackageList(found)

    @operation("GET", "/packages/{package_id}", action="models/read")
    def get(self, package_id: PackageId) -> PackageInfo:
        """How far a package is."""
        return self._folder(package_id).info()

    @operation("GET", "/packages/{package_id}/image", action="models/read")
    def image(self, package_id: PackageId) -> Content:
        """The image: an archive of an OCI image layout. Raises Conflict while it is not ready."""
        folder = self._folder(package_id)
        info = folder.info()
        if info.state != "ready" or info.size is None:
            raise Conflict(
                f"The package {package_id} is {info.state}. {info.reason or info.progress}".strip(),
                field="package_id",
            )
        return Content(folder.image.open("rb"), info.size, "application/x-tar", f"{package_id}.tar")

    @operation("DELETE", "/packages/{package_id}", action="models/delete")
    def delete(self, package_id: PackageId) -> Nothing:
        """Remove a package; one that is being made is made no further. What was pushed stays."""
        folder = self._folder(package_id)
        folder.request()
        folder.end()
        folder.remove()
        return Nothing()

    def _folder(self, package_id: str) -> PackageFolder:
        return PackageFolder.of(self.storage.root, package_id)

    def _check(self, models: Sequence[ModelReference], body: PackageModel) -> None:
        """Raise what says why no image can be made of that."""
        interpreters.platform_here()
        if len({(model.name, model.version) for model in models}) < len(models):
            raise InvalidInput("models: names a version twice.", field="models")
        versions = [self.services.models.version(model.name, model.version) for model in models]
        _require_files(versions)
        with self.storage.database.write() as transaction:
            for version in versions:
                self.services.model_trust.settle(transaction, version)
        if len(models) > 1 and body.scoring_script is None:
            raise InvalidInput(
                "Several models are scored by a script, and none is given.", field="scoring_script"
            )
        self.check_engine(versions[0], body.engine, has_script=bool(body.scoring_script))
        self.check_needs(versions, body.environment)

    def check_needs(self, versions: Sequence[ModelVersion], environment: str | None) -> None:
        """Raise InvalidInput where there is no such environment, or where that, or without one a
        model, does not say which packages an image needs."""
        if environment is None:
            needs.of_models(versions, self.storage.blobs)
            return
        found = self.services.environments.resolve(environment)
        needs.of_environment(found.specification)

    def check_engine(self, version: ModelVersion, engine: Engine, *, has_script: bool) -> None:
        """Raise InvalidInput where a graph is asked for and there is none to answer by."""
        if engine != "onnx" or (version.framework == ONNX and not has_script):
            return
        if has_script:
            raise InvalidInput(
                "engine: a scoring script loads the model by itself, whatever the engine.",
                field="engine",
                hint="Leave out the script, or the engine.",
            )
        found = self.services.compilations.known(version)
        if found is None or found.onnx is None:
            name = f"{version.name}:{version.version}"
            reason = "nobody has compiled it" if found is None else found.verdict.reason.rstrip(".")
            raise InvalidInput(
                f"engine: {name} has no graph: {reason}.",
                field="engine",
                hint=f"`ml-workspace model compile {name}` makes one where there can be one.",
            )

    def _script(self, digest: str | None) -> bytes | None:
        """The script's content, which is the package's own from now on."""
        if digest is None:
            return None
        if not self.storage.blobs.has(digest):
            raise NotFound(
                "The scoring script's content is missing.",
                field="scoring_script",
                hint="Put it first.",
            )
        return self.storage.blobs.read(digest)


def _require_files(versions: Sequence[ModelVersion]) -> None:
    for version in versions:
        if not version.files:
            raise InvalidInput(
                f"{version.name}:{version.version} has no files: its source lies elsewhere.",
                field="name",
            )
