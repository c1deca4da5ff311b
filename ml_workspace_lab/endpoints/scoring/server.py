"""The HTTP side of a scoring process: on loopback, behind keys, health without user code."""

import asyncio
import json
import os
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from ml_workspace_lab import processes
from ml_workspace_lab.endpoints.folder import Deployment, GenerationFolder
from ml_workspace_lab.endpoints.scoring.handlers import Gatekeeper, application
from ml_workspace_lab.endpoints.scoring.scorer import Scorer, load
from ml_workspace_lab.storage.files import FileLock, write_atomic

TOUCH_SECONDS = 2.0
DRAIN_SECONDS = 30.0
MAX_BODY = 64 * 1024 * 1024
TAKEN = 75


def main(path: Path) -> int:
    """Load the model, then serve until SIGTERM; the exit code."""
    folder = GenerationFolder(path)
    lock = FileLock(folder.lock)
    if not lock.acquire():
        return TAKEN
    write_atomic(folder.process, processes.native_id(os.getpid()).encode())
    deployment = msgspec.json.decode(folder.deployment.read_bytes(), type=Deployment)
    try:
        scorer = load(folder.model, folder.script if deployment.has_script else None)
    except BaseException as error:  # noqa: BLE001 - a script may raise anything, sys.exit() too
        traceback.print_exc()
        return _fail(folder, f"{type(error).__name__}: {error}")
    try:
        asyncio.run(_serve(folder, deployment, scorer))
    except OSError as error:
        traceback.print_exc()
        return _fail(folder, f"Port {deployment.port} can't be used: {error.strerror}.")
    return 0


def _fail(folder: GenerationFolder, reason: str) -> int:
    write_atomic(folder.error, json.dumps(reason[:2000]).encode())
    return 1


async def _serve(folder: GenerationFolder, deployment: Deployment, scorer: Scorer) -> None:
    # One thread for the user's code, so that health answers while it works.
    worker = ThreadPoolExecutor(1)
    keys = Gatekeeper(folder.endpoint.keys)
    # The next deployment of this endpoint listens on the same port before this one leaves.
    sockets = bind_sockets(deployment.port, "127.0.0.1", reuse_port=True)
    server = HTTPServer(application(deployment, scorer, worker, keys), max_body_size=MAX_BODY)
    server.add_sockets(sockets)
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    print(f"Serving {deployment.model}:{deployment.version} on port {deployment.port}.", flush=True)  # noqa: T201
    while not leave.is_set():
        folder.ready.touch()
        await _wait(leave, TOUCH_SECONDS)
    server.stop()
    await _wait_for_idle(server)
    worker.shutdown(wait=False, cancel_futures=True)
    sys.stdout.flush()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


async def _wait_for_idle(server: HTTPServer) -> None:
    """Answer what has been accepted; a connection that says nothing more does not keep us."""
    try:
        await asyncio.wait_for(server.close_all_connections(), DRAIN_SECONDS)
    except TimeoutError:
        return
