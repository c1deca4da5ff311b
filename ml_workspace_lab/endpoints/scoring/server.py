"""A scoring process: loads the model, answers on loopback, leaves when it is told or orphaned."""

import asyncio
import gc
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.folder import Deployment, WorkerFolder
from ml_workspace_lab.endpoints.scoring import engines
from ml_workspace_lab.endpoints.scoring.fellows import Fellows
from ml_workspace_lab.endpoints.scoring.front import Front, run
from ml_workspace_lab.endpoints.scoring.guardian import Guardian
from ml_workspace_lab.endpoints.scoring.handover import Handover, listen, taken
from ml_workspace_lab.endpoints.scoring.keys import Gatekeeper
from ml_workspace_lab.endpoints.scoring.pages import Served
from ml_workspace_lab.endpoints.scoring.places import PlacesFile
from ml_workspace_lab.endpoints.scoring.relay import Relay
from ml_workspace_lab.endpoints.scoring.routing import Router
from ml_workspace_lab.endpoints.scoring.settings import Settings
from ml_workspace_lab.endpoints.scoring.standing import Standing
from ml_workspace_lab.endpoints.telemetry.observing import Observing
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.supervision import Presence
from ml_workspace_lab.trouble import kept_apart

TOUCH_SECONDS = 2.0
LOOK_SECONDS = 0.25
"""How often it looks whether it is to take connections, and says how it does."""


def main(path: Path) -> int:
    """Load the model, then serve until SIGTERM or until the folder is gone; the exit code."""
    folder = WorkerFolder.at(path)
    generation = folder.generation
    presence = Presence.take(folder)
    if presence is None:
        return os.EX_TEMPFAIL
    deployment = msgspec.json.decode(generation.deployment.read_bytes(), type=Deployment)
    os.chdir(generation.path)
    places = PlacesFile(generation.endpoint.places)
    handover, guardian = Handover(folder, None), Guardian(folder)
    standing = Standing(folder, deployment.deployment, deployment.port, places, handover)
    try:
        is_front = standing.is_front()
        handover.listening = (listen if is_front else taken)(folder, deployment.port)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        return _fail(folder, f"Port {deployment.port} can't be used: {why}.")
    os.environ["SERVICE_NAME"] = deployment.endpoint
    try:
        settings = Settings.read(os.environ, deployment.request_settings)
        scorer = None if deployment.is_relayed else engines.load(generation, deployment)
    except BaseException as error:  # noqa: BLE001 - a script may raise anything, sys.exit() too
        traceback.print_exc()
        return _fail(folder, f"{type(error).__name__}: {error}")
    gc.collect()
    gc.freeze()  # What libraries and model are made of stays: no collection need look at it.
    keys = Gatekeeper(generation.endpoint.keys)
    router = Router(deployment.deployment, keys, places)
    served = Served(deployment, scorer, keys, settings)
    relay = Relay(generation.upstream, router.named_line) if deployment.is_relayed else None
    finished = run(
        _serve(folder, served, relay, keys, router, standing, presence, handover, guardian)
    )
    if not presence.is_in_place():
        folder.end()  # Nobody else is left to end what it started.
    if not finished:
        sys.stdout.flush()
        os._exit(0)  # A thread that doesn't come back from the user's code would keep the process.
    return 0


def _fail(folder: WorkerFolder, reason: str) -> int:
    folder.fail(reason)
    return 1


async def _serve(
    folder: WorkerFolder,
    served: Served,
    relay: Relay | None,
    keys: Gatekeeper,
    router: Router,
    standing: Standing,
    presence: Presence,
    handover: Handover,
    guardian: Guardian,
) -> bool:
    """Answer until it is time to leave; whether nothing was left undone."""
    front = Front(served, router, relay)
    observing = Observing(folder.generation, served, front.site)
    with kept_apart("the endpoint's folder"):
        keys.refresh()
        observing.look(keys.rules)
    port = await front.open_door()
    write_atomic(folder.door, str(port).encode())
    await standing.look(front)
    handover.open()
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    told = served.deployment
    print(f"Serving {told.model}:{told.version} on port {told.port}.", flush=True)  # noqa: T201
    folder.served.touch()
    fellows: Fellows | None = None
    touched = -TOUCH_SECONDS
    while not leave.is_set() and presence.is_in_place():
        if time.monotonic() - touched >= TOUCH_SECONDS:
            folder.ready.touch()
            touched = time.monotonic()
        with kept_apart("the other workers"):
            if fellows is None and folder.generation.board.exists():
                fellows = front.share(folder, port, guardian)
                await standing.look(front)
            if fellows is not None:
                fellows.look()
        await _wait(leave, LOOK_SECONDS)
        with kept_apart("the endpoint's folder"):
            await standing.look(front)
            _tell(folder, front, keys)
            observing.look(keys.rules)
    handover.close()
    front.stop()
    folder.ready.unlink(missing_ok=True)
    finished = await front.finish(patient=leave.is_set())
    with kept_apart("what was observed"):
        await asyncio.to_thread(observing.close)
    return finished


def _tell(folder: WorkerFolder, front: Front, keys: Gatekeeper) -> None:
    """Say how it does, where that is watched."""
    keys.refresh()
    if (watch := keys.rules.watch) is None:
        return
    tally = front.tally(watch)
    if tally != folder.read_tally():
        write_atomic(folder.tally, msgspec.json.encode(tally))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
