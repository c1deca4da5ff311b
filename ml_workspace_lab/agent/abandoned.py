"""What somebody began to send and never ended: uploads, and temporary files of killed processes."""

import time

from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.freeing import Freed
from ml_workspace_lab.storage.sweep import sweep_unfinished
from ml_workspace_lab.storage.uploads import KEPT_SECONDS

INTERVAL = 3600.0


class Abandoned:
    """Removes them, looking once an hour."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._due = 0.0

    def step(self) -> bool:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + INTERVAL
            before = int((time.time() - KEPT_SECONDS) * 1000)
            sweep_unfinished(self._services.storage, before, Freed())
        return False
