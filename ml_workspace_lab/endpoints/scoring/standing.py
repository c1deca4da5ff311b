"""Whether a process takes the connections of its endpoint: the supervisor says which one does."""

import asyncio
import socket
import sys

from ml_workspace_lab.endpoints.folder import WorkerFolder
from ml_workspace_lab.endpoints.scoring.front import Front
from ml_workspace_lab.endpoints.scoring.handover import Handover, listen, taken
from ml_workspace_lab.endpoints.scoring.places import PlacesFile


class Standing:
    """Where a process stands: at the front, or aside with the listening socket at hand, so that
    who connects waits for the next front and is not refused."""

    def __init__(
        self,
        folder: WorkerFolder,
        name: str,
        port: int,
        places: PlacesFile,
        handover: Handover,
    ) -> None:
        self._folder = folder
        self._name = name
        self._port = port
        self._places = places
        self._handover = handover
        self._told = ""

    def is_front(self) -> bool:
        return self._places.look().front in ("", self._name)

    async def look(self, front: Front) -> None:
        """Go to the front or aside as it is said now; a later look tries again what can't be."""
        is_front = self.is_front()
        if self._handover.listening is None:
            self._handover.listening = await self._socket(is_front)
        listening = self._handover.listening
        if is_front and not front.is_open and listening is not None:
            await front.open(listening.dup())
        elif not is_front and front.is_open:
            front.step_aside()

    async def _socket(self, is_front: bool) -> socket.socket | None:
        """The endpoint's socket; one that stands aside makes none."""
        try:
            take = listen if is_front else taken
            return await asyncio.to_thread(take, self._folder, self._port)
        except OSError as error:
            if self._told != str(error):
                self._told = str(error)
                print(f"Port {self._port}: {error}", file=sys.stderr, flush=True)  # noqa: T201
            return None
