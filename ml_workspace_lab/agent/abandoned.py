"""Uploads that somebody began and never ended."""

import time

from ml_workspace_lab.services import Services

INTERVAL = 3600.0


class Abandoned:
    """Removes them, looking once an hour."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._due = 0.0

    def step(self) -> bool:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + INTERVAL
            self._services.storage.uploads.sweep()
        return False
