"""The process in a container: loads the model, answers whoever has a key, ends on SIGTERM.

`python3 -m ml_workspace_lab.models.packages.contained`; all lies beside this package, and nothing
is written.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workspace_lab.models.packages.places import (
    COMPILED,
    KEY_VARIABLE,
    KEYS_FILE_VARIABLE,
    PORT,
    PORT_VARIABLE,
    SETTINGS_VARIABLE,
    SOCKET_VARIABLE,
    TOLD,
    Contained,
)

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.scorer import Scorer
    from ml_workspace_lab.endpoints.scoring.settings import Settings


TURN_SECONDS = 0.01
"""How long a port that was let go may be nobody's."""


class NotStarted(Exception):
    """The container can't answer; the message says what to do."""


def main() -> int:
    """Answer until SIGTERM; the exit code."""
    home = Path(__file__).parents[4]
    told = Contained(**json.loads((home / TOLD).read_bytes()))
    try:
        _check_python(told.python)
        keys = read_keys(os.environ)
        port = _port(os.environ.get(PORT_VARIABLE, ""))
    except NotStarted as error:
        print(f"Not started: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return os.EX_CONFIG
    # Only now, so that the right words come where the interpreter is the wrong one.
    from ml_workspace_lab.endpoints.scoring.engines import Wanted, chosen
    from ml_workspace_lab.endpoints.scoring.front import run

    script = home / "score.py" if told.has_script else None
    name = told.models[0].rpartition(":")[0]
    try:
        settings = read_settings(os.environ)
        scorer, served_by = chosen(
            Wanted(home / "model", script, home / COMPILED, name, told.engine)
        )
    except BaseException:  # noqa: BLE001 - a script may raise anything, sys.exit() too
        traceback.print_exc()
        return 1
    print(f"Served by {served_by}.", flush=True)  # noqa: T201 - the log of the container
    gc.collect()
    gc.freeze()
    finished = run(_serve(told, scorer, keys, settings, port))
    if not finished:
        sys.stdout.flush()
        os._exit(0)  # A thread that doesn't come back from the user's code would keep the process.
    return 0


def read_keys(environment: Mapping[str, str]) -> list[str]:
    """The keys that callers may send: of the variable, and each line of the file. Raises NotStarted
    where there is none."""
    keys = [environment.get(KEY_VARIABLE, "")]
    if path := environment.get(KEYS_FILE_VARIABLE):
        try:
            keys += Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise NotStarted(f"{KEYS_FILE_VARIABLE}: {error}") from None
    if found := [key.strip() for key in keys if key.strip()]:
        return found
    raise NotStarted(
        f"set {KEY_VARIABLE} to the key that callers send, or {KEYS_FILE_VARIABLE} to a file with"
        " one on each line."
    )


def read_settings(environment: Mapping[str, str]) -> "Settings":
    """The limits of requests. Raises ValueError that names the variable."""
    import msgspec

    from ml_workspace_lab.endpoints.model import RequestSettings
    from ml_workspace_lab.endpoints.scoring.settings import Settings

    try:
        told = environment.get(SETTINGS_VARIABLE) or "{}"
        requests = msgspec.json.decode(told, type=RequestSettings)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{SETTINGS_VARIABLE}: {error}") from None
    return Settings.read(environment, requests)


def _check_python(wanted: str) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != wanted:
        raise NotStarted(f"this is Python {here}, and the packages of the image are for {wanted}.")


def _port(text: str) -> int:
    if not text:
        return PORT
    if text.isascii() and text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise NotStarted(f"{PORT_VARIABLE} is no port.")


async def _serve(
    told: Contained, scorer: "Scorer", keys: Sequence[str], settings: "Settings", port: int
) -> bool:
    """Answer until it is time to leave; whether nothing was left undone."""
    from ml_workspace_lab.endpoints.folder import Deployment
    from ml_workspace_lab.endpoints.scoring.front import BACKLOG, Front
    from ml_workspace_lab.endpoints.scoring.pages import Served
    from ml_workspace_lab.models.packages.keys import FixedKeys

    name, _, version = told.models[0].rpartition(":")
    endpoint = os.environ.get("SERVICE_NAME") or name
    deployment = Deployment(endpoint, name, int(version), port, told.has_script, sys.executable)
    served = Served(deployment, scorer, FixedKeys(keys), settings)
    leave, take = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    loop.add_signal_handler(signal.SIGUSR1, take.set)
    if given := os.environ.pop(SOCKET_VARIABLE, ""):
        front = Front(served)
        await front.open(_unblocked(socket.socket(fileno=int(given))))
        listening = await _port_in_turn(port, BACKLOG, take, leave)
        front.stop()
        finished = await front.finish(patient=True)
        if listening is None:
            return finished
    else:
        listening = socket.create_server(("", port), backlog=BACKLOG)
    front = Front(served)
    await front.open(_unblocked(listening))
    print(f"Serving {', '.join(told.models)} on port {port}.", flush=True)  # noqa: T201
    await leave.wait()
    front.stop()
    return await front.finish(patient=True)


async def _port_in_turn(
    port: int, backlog: int, take: asyncio.Event, leave: asyncio.Event
) -> socket.socket | None:
    """The port, once it was said that it shall be taken and whoever has it lets it go; None where
    it is time to leave before."""
    while not leave.is_set():
        if take.is_set():
            with suppress(OSError):
                return socket.create_server(("", port), backlog=backlog)
        await asyncio.sleep(TURN_SECONDS)
    return None


def _unblocked(listening: socket.socket) -> socket.socket:
    listening.setblocking(False)
    return listening


if __name__ == "__main__":
    sys.exit(main())
