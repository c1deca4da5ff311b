"""`python -m ml_workspace_lab.server.background FOLDER`: serves a workspace on loopback to clients
of this account that only speak HTTP, for as long as one of them lives."""

import asyncio
import json
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

from ml_workspace_lab.client.local_server import CLIENTS, LOCK, TOLD
from ml_workspace_lab.server.alone import entry
from ml_workspace_lab.server.serve import Ready, bind, log_to_error_stream, serve
from ml_workspace_lab.storage.files import FileLock, is_held, write_atomic

HOST = "127.0.0.1"
LOOK_SECONDS = 0.5
IDLE_VARIABLE = "ML_WORKSPACE_SERVER_IDLE_SECONDS"
IDLE_SECONDS = 30.0


def main(root: Path) -> None:
    lock = FileLock(root / LOCK)
    if not lock.acquire():
        return  # Another one is there.
    log_to_error_stream()
    token = secrets.token_urlsafe(32)
    rules = entry(HOST, [], token, is_open=False)
    threading.Thread(target=_leave_when_alone, args=(root,), daemon=True).start()

    def announce(ready: Ready) -> None:
        write_atomic(root / TOLD, json.dumps({"url": ready.url, "token": token}).encode())

    try:
        asyncio.run(serve(root, bind(HOST, 0), HOST, rules, announce))
    finally:
        (root / TOLD).unlink(missing_ok=True)
        lock.release()


def _leave_when_alone(root: Path) -> None:
    """End this process once no client has lived for a while, or the workspace is gone."""
    patience = float(os.environ.get(IDLE_VARIABLE, IDLE_SECONDS))
    last = time.monotonic()
    while time.monotonic() - last < patience and root.exists():
        time.sleep(LOOK_SECONDS)
        if is_held(root / CLIENTS):
            last = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
