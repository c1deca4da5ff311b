"""Images in the registry that a cluster pulls from."""

from pathlib import Path

from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.models.packages import bases, layouts
from ml_workspace_lab.models.packages.credentials import kept
from ml_workspace_lab.models.packages.images import Platform
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.models.packages.registries import Registry


class Pushing:
    """To the registry whose names begin with `prefix`; on a `base`, None: as they are."""

    def __init__(self, prefix: str, base: str | None) -> None:
        self._prefix = prefix.rstrip("/")
        self._base = base

    def push(self, wanted: WantedDeployment, archive: Path) -> str:
        """Send the image, without what is there already; its name by digest. Raises Denied and
        Unavailable where the registry doesn't take it."""
        named = f"{self._prefix}/{wanted.endpoint}/{wanted.info.name}:{wanted.generation}"
        target = Reference.parse(named, "registry")
        with layouts.reading(archive, None) as package:
            if self._base is None:
                image = package
                Registry(target, kept(target.host), push=True).push(image)
            else:
                platform = Platform(package.config.architecture, package.config.os)
                with bases.reading(self._base, platform, None) as base:
                    image = bases.above(base, package)
                    Registry(target, kept(target.host), push=True).push(image)
            return f"{target.host}/{target.repository}@{image.descriptor.digest}"
