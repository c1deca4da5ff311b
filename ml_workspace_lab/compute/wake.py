"""The background process of a workspace: is it there, wake it, start it.

It listens on a named pipe in the workspace's folder. A pipe that nobody reads says that it isn't
there, so one is started; two that start at once settle it by a lock.
"""

import errno
import json
import os
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab import telemetry
from ml_workspace_lab.storage.files import is_held

AGENT = "ml_workspace_lab.agent"
PARENT = "ml_workspace_lab.agent.parent"
"""Starts it, and again where it is killed."""
LOCK = "agent.lock"
PIPE = "agent.wake"
LOG = "agent.log"
LONG_LOG = 4 << 20
"""Bytes."""

PRIVATE = (
    "JUPYTER_TOKEN",
    "JUPYTERHUB_API_TOKEN",
    "JPY_API_TOKEN",
    "ML_WORKSPACE_TOKEN",
    "ML_WORKSPACE_TOKEN_FILE",
    "ML_WORKSPACE_CLAIM_FILE",
    "ML_WORKSPACE_TICKET_FILE",
)
"""Variables that must not reach a job: a run has rights of its own, and no others."""
OF_A_KERNEL = (
    "JPY_PARENT_PID",
    "JPY_SESSION_NAME",
    "ML_WORKSPACE_INSTANCE",
    "ML_WORKSPACE_RUN",
    "ML_WORKSPACE_RUN_ID",
)
CHANGED = "ML_WORKSPACE_CHANGED_VARIABLES"
"""What variables were before a compute instance set them for its user: JSON, null for none."""


def wake(root: Path) -> None:
    """Make the background process look at the queues now; start it where there is none."""
    if not poke(root):
        start(root)


def poke(root: Path) -> bool:
    """Wake the background process; False where there is none."""
    try:
        descriptor = os.open(root / PIPE, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise
    try:
        os.write(descriptor, b"!")
    except (BlockingIOError, BrokenPipeError):
        pass  # It has more wake-ups waiting than it needs, or leaves and will look once more.
    finally:
        os.close(descriptor)
    return True


def is_running(root: Path) -> bool:
    return is_held(root / LOCK)


def start(root: Path) -> None:
    start_module(root, PARENT if sys.platform == "linux" else AGENT, LOG)


def start_module(root: Path, module: str, log: str) -> None:
    """Start a module as a process of the whole workspace. What it says is appended to a log in the
    workspace's folder; one that has become long is put aside first, in place of an earlier one."""
    from ml_workspace_lab import processes

    path = root / log
    with suppress(FileNotFoundError):  # as yet, or another was first
        if path.stat().st_size > LONG_LOG:
            path.replace(path.with_suffix(".1.log"))
    processes.start(
        [sys.executable, "-m", module, str(root)],
        environment=clean_environment(),
        folder=root,
        log=path,
    )


def note_changes(changes: Mapping[str, str | None]) -> None:
    """Change this process's environment (None: without that variable), for itself and its children
    alone: what works for the whole workspace and is started from here finds it as it was."""
    before = {name: os.environ.get(name) for name in changes}
    for name, value in changes.items():
        _set(os.environ, name, value)
    os.environ[CHANGED] = json.dumps(before)


def clean_environment() -> dict[str, str]:
    """This process's environment for a child of the workspace: without what belongs to a server, a
    kernel, an instance or another run, and with libraries told to report to nobody."""
    found = dict(os.environ)
    for name, value in json.loads(found.pop(CHANGED, "{}")).items():
        _set(found, name, value)
    for name in (*PRIVATE, *OF_A_KERNEL):
        found.pop(name, None)
    telemetry.switch_off(found)
    return found


def _set(environment: MutableMapping[str, str], name: str, value: str | None) -> None:
    if value is None:
        environment.pop(name, None)
    else:
        environment[name] = value
