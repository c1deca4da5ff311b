"""The server that a workspace in a folder has for clients that only speak HTTP: started when it is
first wanted, gone soon after the last process that wanted it."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.files import flock, is_held

LOCK = "serve.lock"
"""Held by the server."""
CLIENTS = "serve.clients"
"""Shared by the processes that want the server, and by their children."""
TOLD = "serve.json"
LOG = "serve.log"
PATIENCE = 30.0


class Address(NamedTuple):
    url: str
    token: str


_wanted: dict[Path, int] = {}


def local_server(root: Path) -> Address:
    """The server of the workspace in `root`, started where there is none. It stays for as long as
    this process lives. Raises Unavailable where it doesn't come up."""
    from ml_workspace_lab.compute.wake import start_module

    root = root.absolute()
    if root not in _wanted:
        descriptor = os.open(root / CLIENTS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        flock(descriptor, fcntl.LOCK_SH)
        _wanted[root] = descriptor
    if not is_held(root / LOCK):
        (root / TOLD).unlink(missing_ok=True)  # what one that was killed left
        start_module(root, "ml_workspace_lab.server.background", LOG)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if is_held(root / LOCK) and (found := _told(root)):
            return found
        time.sleep(0.02)
    raise Unavailable(
        "The workspace's server did not come up.", hint=f"{root / LOG} says what happened."
    )


def _told(root: Path) -> Address | None:
    try:
        return Address(**json.loads((root / TOLD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
