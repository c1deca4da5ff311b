"""The address at which compute targets reach the workspace."""

import json
import sys
import time
from pathlib import Path

from ml_workspace_lab import processes
from ml_workspace_lab.compute.wake import clean_environment
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
        processes.start(
            [sys.executable, "-m", "ml_workspace_lab.server.nodes", str(root)],
            environment=clean_environment(),
            folder=root,
            log=root / LOG,
        )
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


def _told(root: Path) -> str | None:
    try:
        url: str = json.loads((root / TOLD).read_text(encoding="utf-8"))["url"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return url
