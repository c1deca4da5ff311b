"""Where the other deployments of an endpoint are, as its supervisor says."""

from contextlib import suppress
from pathlib import Path

from ml_workspace_lab.endpoints.folder import Places
from ml_workspace_lab.endpoints.scoring.watched import WatchedFile


class PlacesFile:
    """What the file says; a change of it counts from the next look."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, Places, Places())

    def look(self) -> Places:
        """What it says now; what it said last where it is gone."""
        with suppress(OSError, ValueError):
            self._file.look()
        return self._file.found
