"""Where the desired state comes from, and the last one that was good."""

from collections.abc import Callable
from pathlib import Path

from ml_workspace_lab.errors import InvalidInput, NotFound, Unavailable, WorkspaceError, shown
from ml_workspace_lab.models.packages.edge_agent import wanted
from ml_workspace_lab.models.packages.edge_agent.wanted import Desired
from ml_workspace_lab.models.packages.edge_agent.web import LIMIT, Place, is_address
from ml_workspace_lab.storage.files import write_atomic


class Source:
    """The deployment manifest at a path or an address. What it last said in a way that could be
    understood holds until it says something else, also after the device was off."""

    def __init__(self, where: str, folder: Path, token: str | None = None) -> None:
        self.trouble = ""
        """Why the last look brought nothing."""
        self.desired: Desired | None = None
        self._kept = folder / "desired.json"
        self._seen = b""
        self._look: Callable[[], bytes]
        if is_address(where):
            self._look = Place(where, token).get
        else:
            self._look = lambda: _file(Path(where))
        self._remember()

    def look(self) -> bool:
        """Whether there is a new desired state; `trouble` says why there can't be."""
        try:
            content = self._look()
            if content == self._seen:
                self.trouble = ""
                return False
            self.desired = wanted.read(content)
        except WorkspaceError as error:
            self.trouble = str(error)
            return False
        self._seen, self.trouble = content, ""
        try:
            write_atomic(self._kept, content, durable=True)
        except (OSError, WorkspaceError) as error:
            self.trouble = f"It can't be kept: {error}"
        return True

    def _remember(self) -> None:
        try:
            content = self._kept.read_bytes()
            self.desired = wanted.read(content)
            self._seen = content
        except (OSError, InvalidInput):
            """There is none yet, or an earlier version of this program understood it."""


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise NotFound(f"There is no deployment manifest {shown(path)}.", field="desired") from None
    except OSError as error:
        raise Unavailable(f"{shown(path)} can't be read: {error.strerror}.") from None
    if len(content) > LIMIT:
        raise InvalidInput(
            f"{shown(path)} is too large for a deployment manifest.", field="desired"
        )
    return content
