"""`python -m ml_workspace_lab.server.nodes FOLDER`: serves a workspace to its compute targets, at
an address of this machine, for as long as its background process has work."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab.compute.wake import is_running
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.jobs.address import LOCK, TOLD
from ml_workspace_lab.network import own_address
from ml_workspace_lab.server.alone import entry
from ml_workspace_lab.server.serve import Ready, bind, log_to_error_stream, serve
from ml_workspace_lab.storage.files import FileLock, write_atomic

PORT = "nodes.port"
"""Runners that are at work know the address: the next server has the same, also after a restart."""
LOOK_SECONDS = 1.0
IDLE_VARIABLE = "ML_WORKSPACE_SERVER_IDLE_SECONDS"
IDLE_SECONDS = 120.0


def main(root: Path) -> None:
    lock = FileLock(root / LOCK)
    if not lock.acquire():
        return  # Another one is there.
    log_to_error_stream()
    host = own_address()
    rules = entry(host, [socket.gethostname()], secrets.token_urlsafe(32), is_open=False)
    threading.Thread(target=_leave_when_idle, args=(root,), daemon=True).start()

    def announce(ready: Ready) -> None:
        write_atomic(root / TOLD, json.dumps({"url": ready.url}).encode())

    try:
        asyncio.run(serve(root, _listen(root, host), host, rules, announce))
    finally:
        (root / TOLD).unlink(missing_ok=True)
        lock.release()


def _listen(root: Path, host: str) -> list[socket.socket]:
    kept = root / PORT
    with suppress(FileNotFoundError, ValueError, Conflict):
        return bind(host, int(kept.read_text(encoding="ascii")))
    sockets = bind(host, 0)
    write_atomic(kept, str(sockets[0].getsockname()[1]).encode())
    return sockets


def _leave_when_idle(root: Path) -> None:
    """End this process once there has been no background process for a while."""
    patience = float(os.environ.get(IDLE_VARIABLE, IDLE_SECONDS))
    last = time.monotonic()
    while time.monotonic() - last < patience and root.exists():
        time.sleep(LOOK_SECONDS)
        if is_running(root):
            last = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
