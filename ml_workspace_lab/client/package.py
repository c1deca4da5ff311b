"""A package of a model as its users hold it: saved as an image layout, or pushed to a registry."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ml_workspace_lab.client.contents import put_file
from ml_workspace_lab.client.files import is_file, save
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.errors import InvalidInput, Unavailable, WorkspaceError, shown
from ml_workspace_lab.models.packages.model import ModelReference, PackageInfo, PackageModel

if TYPE_CHECKING:
    from ml_workspace_lab.client.model import Model
    from ml_workspace_lab.client.workspace import Workspace
    from ml_workspace_lab.models.packages.credentials import Credentials
    from ml_workspace_lab.models.packages.images import Image

PATIENCE_SECONDS = 3600.0
LOOK_SECONDS = 0.1


class PackageFailed(WorkspaceError):
    """An image could not be made; `message` says why."""

    status = 422
    exit_code = 1


def package(model: "Model", target: str, *, wait: bool, **options: Any) -> "Package":
    """A package for a target, `oci` or `edge`. Raises InvalidInput."""
    from ml_workspace_lab.client.edge_module import EdgeModule

    targets = {"oci": Package, "edge": EdgeModule}
    if target not in targets:
        raise InvalidInput(f"target: is oci or edge, not {shown(target)}.", field="target")
    made = targets[target].create(model, **options)
    if wait:
        made.wait()
    return made


class Package:
    """An image of one or more versions of models, with what they need and what answers requests.

    It is made by the workspace. What is sent to a registry goes from here, as whoever the arguments
    or `docker login` say: the workspace learns nothing of that.
    """

    def __init__(
        self, workspace: "Workspace", package_id: str, *, base: str | Path | None = None
    ) -> None:
        """The package of that id; `base` is what an image without an interpreter is to lie on: an
        OCI image layout (a folder or a tar archive) or an image in a registry. Raises NotFound."""
        self.workspace = workspace
        self.base = base
        self._info = workspace.connection.packages.get(package_id)

    @classmethod
    def create(
        cls,
        model: "Model",
        *,
        models: "Sequence[Model]" = (),
        scoring_script: str | Path | None = None,
        environment: str | None = None,
        base: str | Path | None = None,
        engine: Engine = "auto",
    ) -> Self:
        """Begin to make an image of a version, and of others that go into it, too.

        It has the packages of `environment` (NAME or NAME:VERSION), else those that the model's
        own `requirements.txt` names, as the workspace has them. `scoring_script` has `init()` and
        `run(data)`; several versions need one, and find their files below `AZUREML_MODEL_DIR` in
        NAME/VERSION. Without a `base` the image has an interpreter. Without a script the version's
        verified graph goes into the image, too, and answers; `engine` is as for endpoints: `native`
        leaves it out, `onnx` refuses where there is none. Raises InvalidInput."""
        connection = model.workspace.connection
        script = None
        if scoring_script is not None:
            if not is_file(Path(scoring_script)):
                raise InvalidInput(
                    f"There is no scoring script {shown(scoring_script)}.", field="scoring_script"
                )
            script, _ = put_file(connection, Path(scoring_script))
        made = connection.packages.create(
            model.name,
            model.version,
            PackageModel(
                environment=environment,
                scoring_script=script,
                models=[ModelReference(one.name, one.version) for one in models],
                for_base=base is not None,
                engine=engine,
            ),
        )
        return cls(model.workspace, made.package_id, base=base)

    @property
    def id(self) -> str:
        return self._info.package_id

    def info(self) -> PackageInfo:
        self._info = self.workspace.connection.packages.get(self.id)
        return self._info

    def wait(
        self,
        timeout_seconds: float = PATIENCE_SECONDS,
        told: Callable[[str], None] = lambda _: None,
    ) -> PackageInfo:
        """Wait until it is made; `told` hears what goes on. Raises PackageFailed with the reason,
        Unavailable where it takes longer."""
        until = time.monotonic() + timeout_seconds
        said = ""
        while (info := self.info()).state == "building":
            if info.progress != said:
                said = info.progress
                told(said)
            if time.monotonic() > until:
                raise Unavailable(f"The package is not made yet. {info.progress}")
            time.sleep(LOOK_SECONDS)
        if info.state == "failed":
            raise PackageFailed(info.reason)
        return info

    def save(
        self, path: str | Path, *, username: str | None = None, password: str | None = None
    ) -> str:
        """Write the image as an OCI image layout: an archive where the name ends in `.tar`, else a
        folder, which must be empty or not there. `username` and `password` are for a base in a
        registry. The digest of its manifest."""
        from ml_workspace_lab.models.packages import layouts
        from ml_workspace_lab.models.packages.credentials import given

        with self._image(given(username, password)) as image:
            layouts.write(image, Path(path))
            return image.descriptor.digest

    def push(
        self,
        reference: str,
        *,
        username: str | None = None,
        password: str | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> str:
        """Send the image to `HOST/REPOSITORY:TAG`, without the contents that are there already; its
        name there by digest. Without `username` and `password` it is sent as whoever `docker login`
        was. Raises Denied, InvalidInput, Unavailable."""
        from ml_workspace_lab.models.packages.credentials import given, kept
        from ml_workspace_lab.models.packages.references import Reference
        from ml_workspace_lab.models.packages.registries import Registry

        target = Reference.parse(reference, "push")
        if target.version.startswith("sha256:"):
            raise InvalidInput("push: takes a tag, not a digest.", field="push")
        said = given(username, password)
        who = said or kept(target.host)
        # What was said here is for the registry that is pushed to, and a base in the same one.
        with self._image(said, target.host) as image:
            Registry(target, who, push=True).push(image, told)
            return f"{target.host}/{target.repository}@{image.descriptor.digest}"

    def delete(self) -> None:
        """Remove it from the workspace. What was saved or pushed stays."""
        self.workspace.connection.packages.delete(self.id)

    def __repr__(self) -> str:
        return f"Package({self.id!r}, {self._info.state}, {', '.join(self._info.models)})"

    @contextmanager
    def _image(
        self, credentials: "Credentials | None", host: str | None = None
    ) -> "Iterator[Image]":
        """The whole image; the credentials are for a base in a registry, that of `host` alone where
        one is named."""
        from ml_workspace_lab.models.packages import bases, layouts
        from ml_workspace_lab.models.packages.images import Platform

        info = self.wait()
        if info.for_base and self.base is None:
            raise InvalidInput(
                "The image has no interpreter: it wants a base below it.",
                field="base",
                hint="Package(ws, id, base=…) names one.",
            )
        with ExitStack() as done:
            folder = done.enter_context(tempfile.TemporaryDirectory(prefix="ml-workspace-image-"))
            archive = Path(folder) / "image.tar"
            save(self.workspace.connection.packages.image(self.id), archive)
            image = done.enter_context(layouts.reading(archive, None))
            if self.base is not None:
                platform = Platform(image.config.architecture, image.config.os)
                base = bases.reading(self.base, platform, credentials, host)
                image = bases.above(done.enter_context(base), image)
            yield image
