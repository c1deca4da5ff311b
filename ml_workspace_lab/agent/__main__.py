"""`python -m ml_workspace_lab.agent FOLDER`: started by whoever needs it, leaves when idle."""

import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ml_workspace_lab.agent.abandoned import Abandoned
from ml_workspace_lab.agent.dispatching import Dispatching
from ml_workspace_lab.compute.instances.supervisor import InstanceSupervisor
from ml_workspace_lab.compute.wake import LOCK, PIPE, clean_environment
from ml_workspace_lab.endpoints.keeping import EndpointKeeper
from ml_workspace_lab.endpoints.telemetry.keeping import SampleKeeping
from ml_workspace_lab.jobs import prewarmed
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import FileLock
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.trouble import kept_apart
from ml_workspace_lab.webhooks.delivery import Deliveries
from ml_workspace_lab.workspace import folder

BUSY_INTERVAL = 0.2
IDLE_INTERVAL = 2.0
IDLE_VARIABLE = "ML_WORKSPACE_AGENT_IDLE_SECONDS"
IDLE_SECONDS = 60.0
LOCK_PATIENCE = 3.0


class Part(Protocol):
    def step(self) -> bool:
        """Do what there is to do now; whether there is something to watch."""
        ...


def main(root: Path) -> None:
    storage = folder.open_(root)
    lock = FileLock(root / LOCK)
    if not _acquire(lock):
        return  # Another one is at work.
    prewarmed.ZYGOTES.warm(sys.executable, clean_environment())
    services = Services(storage)
    instances = InstanceSupervisor(services)
    parts: list[Part] = [
        Dispatching(services),
        EndpointKeeper(services),
        instances,
        _Watch(services),
        Deliveries(services),
        Abandoned(services),
        SampleKeeping(services),
    ]
    try:
        _loop(storage, parts, instances.has_plans)
    finally:
        lock.release()


class _Watch:
    """Closes interactive runs whose process died."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def step(self) -> bool:
        return self._services.runs.close_abandoned()


def _loop(storage: Storage, parts: Sequence[Part], is_awaited: Callable[[], bool]) -> None:
    """Step until nothing has been to do for a while and nothing is to be waited for, or the
    workspace is gone."""
    patience = float(os.environ.get(IDLE_VARIABLE, IDLE_SECONDS))
    pipe = _open_pipe(storage.root)
    last_busy = time.monotonic()
    while storage.database.is_there():
        busy = _step(parts)
        moment = time.monotonic()
        if busy or is_awaited():
            last_busy = moment
        elif moment - last_busy > patience:
            # Whoever comes from here on finds no reader and starts another; what came before is
            # seen by one more look.
            os.close(pipe)
            if not _step(parts):
                return
            pipe = _open_pipe(storage.root)
            last_busy = moment
        if _woken(pipe, BUSY_INTERVAL if busy else IDLE_INTERVAL):
            last_busy = time.monotonic()


def _step(parts: Sequence[Part]) -> bool:
    busy = False
    for part in parts:
        there_is_more = True  # also where a bad moment (a full disk, say) kept it from looking
        with kept_apart(type(part).__name__):
            there_is_more = part.step()
        busy = busy or there_is_more
    return busy


def _open_pipe(root: Path) -> int:
    path = root / PIPE
    if not path.is_fifo():
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
    # Read and write: with no other writer, a read-only end would be "ready" for ever.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _woken(pipe: int, seconds: float) -> bool:
    ready, _, _ = select.select([pipe], [], [], seconds)
    if ready:
        os.read(pipe, 65536)
    return bool(ready)


def _acquire(lock: FileLock) -> bool:
    """Take the lock, waiting a little for one that is about to leave."""
    until = time.monotonic() + LOCK_PATIENCE
    while not lock.acquire():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
