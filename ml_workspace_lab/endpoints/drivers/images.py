"""The image of a deployment: made in the background, and pushed to where a target pulls it from."""

import msgspec

from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.drivers.elsewhere import Elsewhere, Records
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.models.packages import bases, layouts
from ml_workspace_lab.models.packages.credentials import kept
from ml_workspace_lab.models.packages.folder import PackageFolder
from ml_workspace_lab.models.packages.images import Platform
from ml_workspace_lab.models.packages.model import PackageModel
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.models.packages.registries import Registry
from ml_workspace_lab.services import Services


class Images:
    """Images for the deployments of one target, in the registry whose names begin with `prefix`, on
    a `base` or with an interpreter of their own."""

    def __init__(self, services: Services, prefix: str, base: str | None) -> None:
        self._services = services
        self._prefix = prefix.rstrip("/")
        self._base = base
        self._records = Records(services.storage.root)

    def go_on(self, wanted: WantedDeployment, record: Elsewhere) -> tuple[Elsewhere, str]:
        """Take the next step to the image of the generation that is wanted: the record, which has
        its name once it can be pulled, and what goes on in words. Raises InvalidInput where none
        can be made; Denied and Unavailable where the registry doesn't take it."""
        if record.generation != wanted.generation:
            forget_package(self._services, record)
            record = self._keep(record, wanted.generation, self._begin(wanted))
        if record.image:
            return record, ""
        try:
            info = self._services.packages.get(record.package_id)
        except NotFound:
            record = self._keep(record, wanted.generation, self._begin(wanted))
            return record, "Making the image."
        if info.state == "failed":
            raise InvalidInput(f"The image can't be made: {info.reason}")
        if info.state != "ready":
            return record, f"Making the image: {info.progress}."
        name = self._push(wanted, info.package_id)
        done = self._keep(record, wanted.generation, record.package_id, name)
        forget_package(self._services, done)
        return done, ""

    def _begin(self, wanted: WantedDeployment) -> str:
        info = wanted.info
        body = PackageModel(
            environment=info.environment,
            scoring_script=info.scoring_script,
            for_base=self._base is not None,
            engine=info.engine,
        )
        made = self._services.packages.create(info.model, info.model_version, body)
        return made.package_id

    def _push(self, wanted: WantedDeployment, package_id: str) -> str:
        """Send the image, without what is there already; its name by digest."""
        named = f"{self._prefix}/{wanted.endpoint}/{wanted.info.name}:{wanted.generation}"
        target = Reference.parse(named, "registry")
        archive = PackageFolder.of(self._services.storage.root, package_id).image
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

    def _keep(
        self, record: Elsewhere, generation: int, package_id: str, image: str = ""
    ) -> Elsewhere:
        changed = msgspec.structs.replace(
            record, generation=generation, package_id=package_id, image=image
        )
        self._records.put(changed)
        return changed


def forget_package(services: Services, record: Elsewhere) -> None:
    """Leave no archive here of an image that was pushed, or that nobody wants any more."""
    if record.package_id:
        try:
            services.packages.delete(record.package_id)
        except NotFound:
            return
