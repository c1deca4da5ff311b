"""A package that Azure IoT Edge runs as a module of a device."""

import json
from collections.abc import Mapping

from ml_workspace_lab.client.package import Package


class EdgeModule(Package):
    """An image with the manifest by which a device runs it."""

    def manifest(
        self,
        image: str,
        *,
        port: int | None = None,
        keys_file: str | None = None,
        environment_variables: Mapping[str, str] | None = None,
    ) -> str:
        """The deployment manifest, as JSON: `image` is the name by which it was pushed, `port` that
        of the device which leads to the module (other modules reach it without), `keys_file` the
        file of the device with the keys of those who may ask, one a line; default
        `/etc/ml-workspace/scoring-keys`. Credentials for the registry are added by whoever deploys
        it."""
        from ml_workspace_lab.models.packages import edge

        name = edge.module_name(self.info().models[0].rpartition(":")[0])
        module = edge.Module(
            name,
            image,
            port,
            keys_file or edge.KEYS_FILE,
            dict(environment_variables or {}),
        )
        return json.dumps(edge.manifest(module), indent=2) + "\n"
