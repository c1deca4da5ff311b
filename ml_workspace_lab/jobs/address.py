"""The address at which compute targets reach the workspace."""

import json
import time
from pathlib import Path

from ml_workspace_lab.compute.wake import start_module
from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.files import is_held

AUTO = "auto"
"""Says that the workspace is to have a server of its own for its targets."""
LOCK = "nodes.lock"
"""Held by that server."""
TOLD = "nodes.json"
LOG = "nodes.log"
PATIENCE = 15.0


def address(root: Path, wanted: str) -> str:
    """The URL that a target is told; a server is started for `auto` where there is none. Raises
    Unavailable where it doesn't come up."""
    if wanted != AUTO:
        return wanted
    if not is_held(root / LOCK):
        _start(root)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if is_held(root / LOCK) and (url := _told(root)):
            return url
        time.sleep(0.05)
    raise Unavailable(
        "The server for compute targets did not come up.",
        hint=f"{root / LOG} says what happened; or serve the workspace yourself, and set the"
        " target's workspace_url.",
    )


class Listening:
    """Sees to it that the server is there for as long as somebody looks: runners that are at work
    know its address, which the next one has, too."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._due = 0.0

    def look(self) -> None:
        """Start it where it is gone; one that has just been started has its time to come up."""
        moment = time.monotonic()
        if moment >= self._due and not is_held(self._root / LOCK):
            self._due = moment + PATIENCE
            _start(self._root)


def _start(root: Path) -> None:
    start_module(root, "ml_workspace_lab.server.nodes", LOG)


def _told(root: Path) -> str | None:
    try:
        url: str = json.loads((root / TOLD).read_text(encoding="utf-8"))["url"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return url
