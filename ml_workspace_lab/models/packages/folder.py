"""The folder of a package: what the service and the process that builds it tell each other.

packages/ID/request.json   what was asked for
packages/ID/score.py       the scoring script, where there is one
packages/ID/progress       what goes on, in words
packages/ID/log.txt        what the tools and the process itself say
packages/ID/image.tar      the image, an archive of an OCI image layout
packages/ID/result.json    what it came to; written last
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from ml_workspace_lab import processes
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.models.packages.model import ModelReference, PackagedLayer, PackageInfo
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.supervision import ProcessFolder

FOLDER = "packages"
START_MS = 60_000
"""So long after it was asked for a package may have no process yet."""


class PackageRequest(Struct, frozen=True):
    """What a package is made of; of the models the first gives it its name."""

    models: list[ModelReference]
    environment: str | None
    has_script: bool
    for_base: bool
    created: int
    user: str
    engine: Engine = "auto"


class PackageResult(Struct, frozen=True):
    digest: str
    layers: list[PackagedLayer]


class PackageFolder(ProcessFolder):
    """The folder of one package, in a workspace's own."""

    variable = "ML_WORKSPACE_PACKAGE"

    @classmethod
    def of(cls, root: Path, package_id: str) -> "PackageFolder":
        return cls(root / FOLDER / package_id)

    @classmethod
    def all(cls, root: Path) -> "list[PackageFolder]":
        """Every package, the newest first."""
        found = (root / FOLDER).glob("*/request.json")
        return [cls(path.parent) for path in sorted(found, reverse=True)]

    @property
    def script(self) -> Path:
        return self.path / "score.py"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def image(self) -> Path:
        return self.path / "image.tar"

    @property
    def parts(self) -> Path:
        """Layers on their way into the image."""
        return self.path / "parts"

    def create(self, request: PackageRequest) -> None:
        self.path.mkdir(mode=0o700, parents=True)
        write_atomic(self.path / "request.json", msgspec.json.encode(request))

    def request(self) -> PackageRequest:
        """Raises NotFound."""
        try:
            content = (self.path / "request.json").read_bytes()
        except FileNotFoundError:
            raise NotFound(
                f"There is no package {self.path.name}.",
                field="package_id",
                hint="`ml-workspace package` lists what there is.",
            ) from None
        return msgspec.json.decode(content, type=PackageRequest)

    def tell(self, words: str) -> None:
        write_atomic(self.path / "progress", words.encode())

    def finish(self, result: PackageResult) -> None:
        write_atomic(self.path / "result.json", msgspec.json.encode(result))

    def info(self) -> PackageInfo:
        """How far it is. Raises NotFound."""
        request = self.request()
        info = PackageInfo(
            package_id=self.path.name,
            state="building",
            models=[f"{model.name}:{model.version}" for model in request.models],
            environment=request.environment,
            has_script=request.has_script,
            for_base=request.for_base,
            created=request.created,
            user=request.user,
        )
        # Asked before the files are looked at: one that has ended has written them before.
        works = self._is_at_work(request)
        if (result := self._result()) is not None:
            return msgspec.structs.replace(
                info,
                state="ready",
                digest=result.digest,
                size=self.image.stat().st_size,
                layers=result.layers,
            )
        if reason := self.read_error():
            return msgspec.structs.replace(info, state="failed", reason=reason)
        if works:
            return msgspec.structs.replace(info, progress=self._progress())
        lost = "The process that made it was ended. Package the model again."
        return msgspec.structs.replace(info, state="failed", reason=lost)

    def _is_at_work(self, request: PackageRequest) -> bool:
        if self.is_alive():
            return True
        try:
            native = self.process.read_text()
        except FileNotFoundError:
            return now() - request.created < START_MS
        return processes.find(native) is not None

    def _progress(self) -> str:
        try:
            return (self.path / "progress").read_text(encoding="utf-8")
        except FileNotFoundError:
            return "Starting"

    def _result(self) -> PackageResult | None:
        try:
            content = (self.path / "result.json").read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(content, type=PackageResult)
