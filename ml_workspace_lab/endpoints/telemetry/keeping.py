"""Removing samples that are too old, or of deployments that are gone, while nothing is written."""

import time

from ml_workspace_lab.endpoints import store
from ml_workspace_lab.endpoints.folder import EndpointFolder
from ml_workspace_lab.endpoints.telemetry.model import DAYS
from ml_workspace_lab.endpoints.telemetry.sample_files import keep_only, prune
from ml_workspace_lab.services import Services

INTERVAL = 5.0
"""Seconds after which a deployment is looked for that is gone."""


class SampleKeeping:
    """Looks after the samples of all endpoints. Those of an endpoint that is deleted go with its
    folder."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._due = 0.0

    def step(self) -> bool:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + INTERVAL
            for wanted in store.endpoints(self._services.storage.database):
                folder = EndpointFolder(self._services.storage.endpoint(wanted.info.name))
                deployments = wanted.info.deployments
                keep_only(folder.samples, [info.name for info in deployments])
                for info in deployments:
                    days = DAYS if info.sampling is None else info.sampling.days
                    prune(folder.samples / info.name, None, days)
        return False
