"""A scoring process: loads the model, answers on loopback, leaves when it is told or orphaned."""

import asyncio
import gc
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.folder import Deployment, GenerationFolder
from ml_workspace_lab.endpoints.scoring import engines
from ml_workspace_lab.endpoints.scoring.front import Front, run
from ml_workspace_lab.endpoints.scoring.handover import Handover, listen
from ml_workspace_lab.endpoints.scoring.keys import Gatekeeper
from ml_workspace_lab.endpoints.scoring.pages import Served
from ml_workspace_lab.endpoints.scoring.scorer import Scorer
from ml_workspace_lab.endpoints.scoring.settings import Settings
from ml_workspace_lab.supervision import Presence

TOUCH_SECONDS = 2.0


def main(path: Path) -> int:
    """Load the model, then serve until SIGTERM or until the folder is gone; the exit code."""
    folder = GenerationFolder(path)
    presence = Presence.take(folder)
    if presence is None:
        return os.EX_TEMPFAIL
    deployment = msgspec.json.decode(folder.deployment.read_bytes(), type=Deployment)
    os.chdir(path)
    try:
        listening = listen(folder, deployment.port)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        return _fail(folder, f"Port {deployment.port} can't be used: {why}.")
    handover = Handover(listening)
    os.environ["SERVICE_NAME"] = deployment.endpoint
    try:
        settings = Settings.read(os.environ, deployment.request_settings)
        scorer = engines.load(folder, deployment)
    except BaseException as error:  # noqa: BLE001 - a script may raise anything, sys.exit() too
        traceback.print_exc()
        return _fail(folder, f"{type(error).__name__}: {error}")
    gc.collect()
    gc.freeze()  # What libraries and model are made of stays: no collection need look at it.
    finished = run(_serve(folder, deployment, scorer, settings, presence, listening, handover))
    if not presence.is_in_place():
        folder.end()  # Nobody else is left to end what it started.
    if not finished:
        sys.stdout.flush()
        os._exit(0)  # A thread that doesn't come back from the user's code would keep the process.
    return 0


def _fail(folder: GenerationFolder, reason: str) -> int:
    folder.fail(reason)
    return 1


async def _serve(
    folder: GenerationFolder,
    deployment: Deployment,
    scorer: Scorer,
    settings: Settings,
    presence: Presence,
    listening: socket.socket,
    handover: Handover,
) -> bool:
    """Answer until it is time to leave; whether nothing was left undone."""
    front = Front(Served(deployment, scorer, Gatekeeper(folder.endpoint.keys), settings))
    await front.open(listening)
    handover.open()
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    print(f"Serving {deployment.model}:{deployment.version} on port {deployment.port}.", flush=True)  # noqa: T201
    folder.served.touch()
    while not leave.is_set() and presence.is_in_place():
        folder.ready.touch()
        await _wait(leave, TOUCH_SECONDS)
    handover.close()
    front.stop()
    folder.ready.unlink(missing_ok=True)
    return await front.finish(patient=leave.is_set())


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
