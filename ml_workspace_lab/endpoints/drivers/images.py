"""The image of a deployment: made in the background, and sent to where a target has it from."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.drivers.elsewhere import Elsewhere, Records
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.models.packages.folder import PackageFolder
from ml_workspace_lab.models.packages.model import PackageModel
from ml_workspace_lab.services import Services

Send = Callable[[WantedDeployment, Path], str]
"""Has a target have the image in an archive; the name that it has there."""


class Images:
    """Images for the deployments of one target: with an interpreter of their own, or `for_base`, to
    lie on what has one."""

    def __init__(self, services: Services, send: Send, *, for_base: bool) -> None:
        self._services = services
        self._send = send
        self._for_base = for_base
        self._records = Records(services.storage.root)

    def go_on(self, wanted: WantedDeployment, record: Elsewhere) -> tuple[Elsewhere, str]:
        """Take the next step to the image of the generation that is wanted: the record, which has
        its name once it was sent, and what goes on in words. Raises InvalidInput where none can be
        made, and what `send` raises where it is not taken."""
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
        archive = PackageFolder.of(self._services.storage.root, info.package_id).image
        name = self._send(wanted, archive)
        done = self._keep(record, wanted.generation, record.package_id, name)
        forget_package(self._services, done)
        return done, ""

    def _begin(self, wanted: WantedDeployment) -> str:
        info = wanted.info
        body = PackageModel(
            environment=info.environment,
            scoring_script=info.scoring_script,
            for_base=self._for_base,
            engine=info.engine,
        )
        made = self._services.packages.create(info.model, info.model_version, body)
        return made.package_id

    def _keep(
        self, record: Elsewhere, generation: int, package_id: str, image: str = ""
    ) -> Elsewhere:
        changed = msgspec.structs.replace(
            record, generation=generation, package_id=package_id, image=image
        )
        self._records.put(changed)
        return changed


def forget_package(services: Services, record: Elsewhere) -> None:
    """Leave no archive here of an image that was sent, or that nobody wants any more."""
    if record.package_id:
        try:
            services.packages.delete(record.package_id)
        except NotFound:
            return
