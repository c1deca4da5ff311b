"""Profiles of versions: what was measured of them is kept with them."""

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Version
from ml_workspace_lab.errors import Conflict, NotFound
from ml_workspace_lab.models.model import ModelName
from ml_workspace_lab.models.profiles import store
from ml_workspace_lab.models.profiles.model import KeepProfile, Profile
from ml_workspace_lab.models.trust import content_of


class ModelProfiles(Service):
    """Latency, throughput, memory and start of versions, measured."""

    @operation("GET", "/models/{name}/versions/{version}/profile", action="models/read")
    def get(self, name: ModelName, version: Version) -> Profile:
        """The newest profile of a version. Raises NotFound where none was measured."""
        self.services.models.version(name, version)
        found = self.find(name, version)
        if found is None:
            raise NotFound(
                f"Nobody has profiled {name}:{version} yet.",
                field="version",
                hint=f"`ml-workspace model profile {name}:{version}` does.",
            )
        return found

    @operation("PUT", "/models/{name}/versions/{version}/profile", action="models/write")
    def keep(self, name: ModelName, version: Version, body: KeepProfile) -> Profile:
        """Keep what was measured, in place of what is there. Raises Conflict where the version has
        another content than the one that was measured."""
        with self.storage.database.write() as transaction:
            model = self.services.models.version(name, version)
            if body.content != content_of(model):
                raise Conflict(
                    f"{name}:{version} has another content than what was measured.",
                    field="content",
                    hint="Measure it again.",
                )
            store.put(transaction, name, version, body.content, body.measured, caller().name)
        return self.get(name, version)

    def find(self, name: str, version: int) -> Profile | None:
        """The newest profile of a version; None where none was measured."""
        return store.find(self.storage.database, name, version)
