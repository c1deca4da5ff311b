"""Graphs of versions: what is kept of them, by the content that they were made of."""

import shutil
from pathlib import Path
from typing import Any

import msgspec

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Nothing, Version
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.models.compiled import store
from ml_workspace_lab.models.compiled.model import GRAPH, Compilation, KeepCompilation, Verdict
from ml_workspace_lab.models.compiled.process import VERDICT
from ml_workspace_lab.models.model import ModelName, ModelVersion
from ml_workspace_lab.models.trust import content_of
from ml_workspace_lab.storage.files import disk_errors, write_atomic

COMPILE = "models/compile/action"
"""Whoever has it decides what a version answers by: an Owner."""


class Compilations(Service):
    """Versions as ONNX graphs that were verified against the models themselves."""

    @operation("GET", "/models/{name}/versions/{version}/compilation", action="models/read")
    def get(self, name: ModelName, version: Version) -> Compilation:
        """What is known of the version's graph, or of that of a version with the same files.
        Raises NotFound where none was tried."""
        found = self.known(self.services.models.version(name, version))
        if found is None:
            raise NotFound(
                f"Nobody has compiled {name}:{version} yet.",
                field="version",
                hint=f"`ml-workspace model compile {name}:{version}` does, and so does deploying.",
            )
        return found

    @operation("PUT", "/models/{name}/versions/{version}/compilation", action=COMPILE)
    def keep(self, name: ModelName, version: Version, body: KeepCompilation) -> Compilation:
        """Keep what was found of this version: endpoints are served by its graph from their next
        deployment on. Raises Conflict where its content is another one."""
        if body.verdict.kept != (body.onnx is not None):
            raise InvalidInput("onnx: goes with a verdict that keeps it.", field="onnx")
        with self.storage.database.write() as transaction:
            model = self.services.models.version(name, version)
            if body.content != content_of(model):
                raise Conflict(
                    f"The content of {name}:{version} is another one.",
                    field="content",
                    hint="Compile it again.",
                )
            if body.onnx is not None and not self.storage.blobs.has(body.onnx):
                raise NotFound(
                    "The graph's content is missing.", field="onnx", hint="Put it first."
                )
            store.put(
                transaction,
                name,
                version,
                content=body.content,
                onnx=body.onnx,
                verdict=body.verdict,
                user=caller().name,
            )
        return self.get(name, version)

    @operation("DELETE", "/models/{name}/versions/{version}/compilation", action=COMPILE)
    def forget(self, name: ModelName, version: Version) -> Nothing:
        """Forget it, so that the next deployment compiles anew. Raises NotFound."""
        found = self.get(name, version)
        with self.storage.database.write(frees=True) as transaction:
            store.delete(transaction, found.content)
        return Nothing()

    def known(self, model: ModelVersion) -> Compilation | None:
        """What is known of a version's graph, or of that of one with the same files."""
        return store.find(self.storage.database, model.name, model.version, content_of(model))

    def lay_out(self, model: ModelVersion, target: Path) -> None:
        """Write what is known of a version's graph into a folder; nothing where nothing is."""
        found = self.known(model)
        if found is None:
            return
        with disk_errors():
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            if found.onnx is not None:
                with (
                    self.storage.blobs.open(found.onnx) as source,
                    (target / GRAPH).open("wb") as copy,
                ):
                    shutil.copyfileobj(source, copy, 1 << 20)
        write_atomic(target / VERDICT, msgspec.json.encode(found.verdict))

    def record(self, name: str, version: int, target: Path, user: str) -> None:
        """Keep what a process that scores found, if it isn't kept already."""
        try:
            verdict = msgspec.json.decode((target / VERDICT).read_bytes(), type=Verdict)
            model = self.services.models.version(name, version)
        except (FileNotFoundError, NotFound):
            return
        known = self.known(model)
        if known is not None and known.verdict == verdict:
            return
        values: dict[str, Any] = {
            "content": content_of(model),
            "verdict": verdict,
            "user": user,
        }
        if not verdict.kept:
            with self.storage.database.write() as transaction:
                store.put(transaction, name, version, onnx=None, **values)
            return
        with (
            (target / GRAPH).open("rb") as graph,
            self.storage.blobs.hold(graph) as held,
            self.storage.database.write() as transaction,
        ):
            held.require()
            store.put(transaction, name, version, onnx=held.digest, **values)
