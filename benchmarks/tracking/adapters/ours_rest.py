"""ML Workspace Lab over HTTP: the workspace that a Jupyter server serves, through `connect`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from adapters.ours import Ours
from adapters.servers import jupyter


class OursRest(Ours):
    """The same objects, with a token of the workspace."""

    name = "ours-rest"
    most: ClassVar = {"search_large": 0}

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        # Where this client keeps what it has not sent yet, for the processes of this turn alone.
        os.environ["ML_WORKSPACE_SPOOL"] = str(folder / "spool")
        with jupyter(sys.executable, folder) as (url, token):
            yield f"{url} {token}"

    def __init__(self, location: str) -> None:
        from ml_workspace_lab import Workspace

        self.url, token = location.split()
        self.workspace = Workspace.connect(self.url, token)

    def publish(self) -> None:
        """Send what killed processes have left: `ml-workspace sync`."""
        from ml_workspace_lab.client.sync import sync

        sync(self.workspace.connection, self.url)

    def neighbour(self) -> str:
        return f"{self.url}/api"
