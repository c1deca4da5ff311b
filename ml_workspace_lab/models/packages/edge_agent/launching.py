"""The process of a module: what it is started with, and how it is told to take its port and to
end."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from ml_workspace_lab import processes
from ml_workspace_lab.environments import tools
from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.models.packages.bases import PYTHON_LABEL
from ml_workspace_lab.models.packages.contained import NotStarted, read_keys
from ml_workspace_lab.models.packages.edge_agent.images import Installed
from ml_workspace_lab.models.packages.edge_agent.records import Serving
from ml_workspace_lab.models.packages.edge_agent.wanted import Work
from ml_workspace_lab.models.packages.places import HOME, PORT_VARIABLE, SOCKET_VARIABLE

MARK = "ML_WORKSPACE_EDGE"
"""In the environment of every process of a module: the device's id and the module's name."""
LOG_LIMIT = 4 << 20
"""Bytes of a module's output that are kept, and as many again of what was before them."""
GRACE_SECONDS = 35.0
"""What a process may take to answer what it has accepted."""
FINE = "exit code 0"
"""How `words_of` begins where a process ended as it should."""
_BACKLOG = 128
_OF_THE_IMAGE = ("LD_LIBRARY_PATH", "PATH", "PYTHONDONTWRITEBYTECODE")
"""What leads to the interpreter in an image, or holds for a folder that can't be written to."""
_OF_THE_DEVICE = ("PATH", "LANG", "LC_ALL", "TZ")


def variables(image: Installed, work: Work, place: Path) -> dict[str, str]:
    """What the process finds in its environment: paths of the image are those of the device."""
    pairs = (line.partition("=") for line in image.config.config.env or [])
    said = {name: value for name, _, value in pairs if name not in _OF_THE_IMAGE}
    said |= {"HOME": str(place / "tmp"), "TMPDIR": str(place / "tmp")}
    said |= {"PYTHONPYCACHEPREFIX": str(image.folder / "cache")}
    said |= {
        name: _moved(value, image, work.binds) for name, value in (said | work.variables).items()
    }
    found = {name: os.environ[name] for name in _OF_THE_DEVICE if name in os.environ}
    found |= said
    if work.port is not None:
        found[PORT_VARIABLE] = str(work.port)
    return found


def _moved(value: str, image: Installed, binds: Mapping[str, str]) -> str:
    """A value whose paths, with `:` between them, lie where this device has them."""
    places = {**binds, HOME: str(image.home)}
    parts = value.split(":")
    for number, part in enumerate(parts):
        for inside, here in places.items():
            if part == inside or part.startswith(f"{inside}/"):
                parts[number] = here + part.removeprefix(inside)
    return ":".join(parts)


def key(image: Installed, work: Work, place: Path) -> str:
    """A key that the module lets in. Raises Unavailable where it would have none."""
    try:
        return read_keys(variables(image, work, place))[0]
    except NotStarted as error:
        raise Unavailable(f"The module has no keys: {error}") from None


def start(image: Installed, work: Work, place: Path, mark: str) -> Serving:
    """Start a process that answers on a port of its own, to this machine alone. Raises Unavailable
    where the device has no such Python, or the module no keys; OSError."""
    words = _command(image)
    key(image, work, place)
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    log = place / "log.txt"
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listening:
        given = {SOCKET_VARIABLE: str(listening.fileno()), MARK: mark}
        began = log.stat().st_size if log.exists() else 0
        native = processes.start(
            words,
            environment={**variables(image, work, place), **given},
            folder=image.home,
            log=log,
            descriptors=[listening.fileno()],
        )
        return Serving(native, listening.getsockname()[1], time.time(), began)


def _command(image: Installed) -> list[str]:
    config = image.config.config
    wanted = (config.labels or {}).get(PYTHON_LABEL, "")
    python = tools.find_python(wanted)
    if python is None:
        raise Unavailable(
            f"The module needs Python {wanted}, and there is none on this device.",
            hint=f"Install it, so that python{wanted} is on the PATH, or make the image for a"
            " Python that is here.",
        )
    # -S: what is installed for the device's own Python is not the module's.
    return [python, "-S", *(config.entrypoint or [])[1:]]


def take_port(serving: Serving) -> None:
    """Let it have the module's port as soon as that is free."""
    process = processes.find(serving.native)
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGUSR1)


def listens(serving: Serving, port: int) -> bool:
    """Whether the process has that port."""
    process = processes.find(serving.native)
    if process is None:
        return False
    try:
        return any(
            one.status == psutil.CONN_LISTEN and one.laddr.port == port
            for one in process.net_connections("tcp")
        )
    except psutil.Error:
        return False


def is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True


def is_alive(serving: Serving) -> bool:
    return processes.find(serving.native) is not None


def end(serving: Serving, seconds: float = GRACE_SECONDS) -> None:
    """Let it answer what it has accepted, for so long, then end it."""
    processes.end(serving.native, force=False)
    until = time.monotonic() + seconds
    while is_alive(serving) and time.monotonic() < until:
        time.sleep(0.02)
    processes.end(serving.native, force=True)
    while is_alive(serving):
        time.sleep(0.02)


def end_strangers(mark: str, known: list[Serving | None]) -> int:
    """End processes of a module that belong to none that is known: what others have left, and those
    whose agent was killed before it could write them down. How many there were."""
    sessions = {int(one.native.partition(":")[0]) for one in known if one is not None}
    ended = 0
    for process in processes.marked(MARK, mark):
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) not in sessions:
                process.kill()
                ended += 1
    return ended


def words_of(serving: Serving, log: Path) -> str:
    """How a process ended, and the last that it said."""
    said = tools.tail(log, serving.log_from)
    how = processes.ending(serving.native) or "it is gone"
    return f"{how}. {said}".strip()


def trim(log: Path) -> None:
    """Keep a log from growing for ever. Its writer appends, so it goes on at the new end."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        shutil.copyfile(log, log.with_name("log.1.txt"))
        os.truncate(log, 0)
