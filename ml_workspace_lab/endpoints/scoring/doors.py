"""Sockets where the processes of an endpoint find each other.

Each lies in the folder of its process. Where that has too long a name for the system, it is named
relative to the present folder, which is that of the process's generation, unless a script leaves
it.
"""

import os
import socket
from pathlib import Path

from ml_workspace_lab.endpoints.folder import WorkerFolder

MAX_NAME = 100
"""What systems take, and a little less."""


def bound(folder: WorkerFolder, name: str) -> socket.socket:
    """A socket of that name in the folder of this process, which others may connect to."""
    path = _from_here(folder, name)
    Path(path).unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    door.bind(path)
    door.listen()
    door.setblocking(False)
    return door


def address(other: WorkerFolder, name: str) -> str:
    """Where another process has a socket of that name."""
    whole = str(other.path / name)
    return whole if len(os.fsencode(whole)) <= MAX_NAME else _from_here(other, name)


def _from_here(folder: WorkerFolder, name: str) -> str:
    """The name from the folder of a generation of the same endpoint."""
    generation = folder.generation
    return f"../{generation.number}/{(folder.path / name).relative_to(generation.path)}"
