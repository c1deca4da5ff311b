"""How a scoring process takes requests, and stops to without dropping one."""

import asyncio
import socket
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from ml_workspace_lab.endpoints.scoring.connection import Connection
from ml_workspace_lab.endpoints.scoring.joining import Joining
from ml_workspace_lab.endpoints.scoring.pages import Served
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.site import Site
from ml_workspace_lab.endpoints.scoring.turns import Turns

BACKLOG = 128
QUIET_SECONDS = 1.0
"""How long a kept connection may still ask when its process leaves: it is told to close then."""
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
    scorer = served.scorer
    if isinstance(scorer, Predictor) and scorer.is_row_wise and served.settings.requests.batching:
        return Joining(scorer)
    return None


class Front:
    """Takes connections from a listening socket."""

    def __init__(self, served: Served) -> None:
        self._turns = Turns(served.settings, _crew(served))
        self._site = Site(served, self._turns)
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def open(self, listening: socket.socket) -> None:
        """Take connections from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._site), sock=listening, backlog=BACKLOG
        )
        self._sweep()

    def stop(self) -> None:
        """Take no more, and answer what comes over those that are open with the word that it is the
        last."""
        assert self._server is not None
        self._site.leaving = True
        self._server.close()

    async def finish(self, patient: bool) -> bool:
        """Answer what has been accepted (unless not `patient`), then close; whether nothing was
        left undone."""
        until = time.monotonic() + (DRAIN_SECONDS if patient else 0)
        quiet, is_busy = 0.0, True
        while is_busy and time.monotonic() < until and quiet < QUIET_SECONDS:
            await asyncio.sleep(0.05)  # What was just accepted gets its connection now.
            quiet = 0.0 if self._site.active else quiet + 0.05
            is_busy = bool(self._site.active or self._site.connections)
        done = self._site.active == 0
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._site.connections):
            connection.close()
        self._turns.shutdown()
        await asyncio.sleep(0)  # The loop closes what was told to.
        return done and not self._turns.left_behind

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._site.sweep(loop.time())
        self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)
