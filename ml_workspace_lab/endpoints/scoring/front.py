"""How a scoring process takes requests, and stops to without dropping one."""

import asyncio
import math
import socket
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from ml_workspace_lab.endpoints.folder import Tally, Watch, WorkerFolder
from ml_workspace_lab.endpoints.scoring.connection import Connection
from ml_workspace_lab.endpoints.scoring.fellows import Fellows
from ml_workspace_lab.endpoints.scoring.guardian import Guardian
from ml_workspace_lab.endpoints.scoring.joining import Joining
from ml_workspace_lab.endpoints.scoring.pages import Served
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.relay import Relay
from ml_workspace_lab.endpoints.scoring.routing import Router
from ml_workspace_lab.endpoints.scoring.site import Site
from ml_workspace_lab.endpoints.scoring.turns import Turns

BACKLOG = 128
QUIET_SECONDS = 1.0
"""How long a kept connection may still ask when its process leaves: it is told to close then."""
DOOR_SECONDS = 0.3
"""How long after the last request another deployment may still come that has not seen it leave."""
DRAIN_SECONDS = 30.0
SWEEP_SECONDS = 5.0

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it in an event loop: uvloop's where that is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def _crew(served: Served) -> Joining | None:
    """Who joins requests, where the model and the deployment's settings let them be joined."""
    scorer = served.loaded
    if isinstance(scorer, Predictor) and scorer.is_row_wise and served.settings.requests.batching:
        return Joining(scorer)
    return None


class Front:
    """Takes connections from a listening socket, and from other deployments at a door."""

    def __init__(
        self, served: Served, router: Router | None = None, relay: Relay | None = None
    ) -> None:
        self._turns = Turns(served.settings, _crew(served))
        self._site = Site(served, self._turns, router, relay)
        self._server: asyncio.Server | None = None
        self._door: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._sweep()

    @property
    def site(self) -> Site:
        return self._site

    @property
    def is_open(self) -> bool:
        fellows = self._site.fellows
        return self._server is not None or (fellows is not None and fellows.taking.is_listening)

    async def open(self, listening: socket.socket) -> None:
        """Take connections from now on."""
        if self._site.fellows is not None:
            self._site.fellows.taking.listen(listening)
        else:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._site), sock=listening, backlog=BACKLOG
            )
        self._site.stand(aside=False)

    async def open_door(self) -> int:
        """Take requests that other deployments hand over; the port on loopback."""
        self._door = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._site, is_inner=True), "127.0.0.1", 0, backlog=BACKLOG
        )
        port: int = self._door.sockets[0].getsockname()[1]
        return port

    def share(self, folder: WorkerFolder, port: int, guardian: Guardian) -> Fellows:
        """Be one of several workers from now on; `port` is that of its door. It has to be opened
        again then."""
        fellows = Fellows(folder, port, guardian, self._site, self._turns)
        self._close_server()
        self._site.fellows = self._turns.fellows = fellows
        return fellows

    def step_aside(self) -> None:
        """Leave new connections to another process; those that are open are answered once more."""
        self._close_server()
        self._site.stand(aside=True)

    def stop(self) -> None:
        """Take no more, and answer what comes over those that are open with the word that it is the
        last. Other deployments are still let in: they may not know yet."""
        self._close_server()
        self._site.leaving = True
        if self._site.fellows is not None:
            self._site.fellows.leave()

    def tally(self, watch: Watch) -> Tally:
        """How it does, as the watch has it."""
        site, metrics = self._site, self._site.metrics
        metrics.slow_after = math.inf if watch.p99_ms is None else watch.p99_ms / 1000
        answered, failed = metrics.scored()
        unreached = site.router.unreached() if site.router is not None else {}
        return Tally(metrics.began, answered, failed, metrics.slow, site.late(), unreached)

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._site.fellows is not None:
            self._site.fellows.taking.stop()

    async def finish(self, patient: bool) -> bool:
        """Answer what has been accepted (unless not `patient`), then close; whether nothing was
        left undone."""
        until = time.monotonic() + (DRAIN_SECONDS if patient else 0)
        least = DOOR_SECONDS if self._door is not None else 0.0
        quiet, is_busy = 0.0, True
        while is_busy and time.monotonic() < until and quiet < QUIET_SECONDS:
            await asyncio.sleep(0.05)  # What was just accepted gets its connection now.
            quiet = 0.0 if self._site.active else quiet + 0.05
            is_busy = bool(self._site.active or self._site.connections or quiet < least)
        if self._door is not None:
            self._door.close()
        done = self._site.active == 0
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._site.fellows is not None:
            self._site.fellows.pass_on()
        for connection in list(self._site.connections):
            connection.close()
        self._site.close()
        if self._site.fellows is not None:
            self._site.metrics_page.keep()
            self._site.fellows.close()
        self._turns.shutdown()
        await asyncio.sleep(0)  # The loop closes what was told to.
        return done and not self._turns.left_behind

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._site.sweep(loop.time())
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)
