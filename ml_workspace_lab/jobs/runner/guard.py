"""Ends what a runner leaves behind where it is killed and no engine reaches its descendants.

An engine that kills a runner may know nothing of the groups and sessions that its program has made.
So a process beside it, which is in neither, waits for its end, however that comes:
`python -m ml_workspace_lab.jobs.runner.guard MARK`. It holds the pipe of the program's output open,
too, and writes down what is in it when all have ended.
"""

import os
import signal
import sys
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from ml_workspace_lab import brand

if TYPE_CHECKING:
    from ml_workspace_lab.jobs.runner.place import Place
    from ml_workspace_lab.storage.files import FileLock

AT_ONCE = 256 * 1024
MARK = "ML_WORKSPACE_RUN"
"""As `processes.MARK`, which brings more with it than is needed here."""
VARIABLE = "ML_WORKSPACE_GUARD"
"""In the environment of all that this runner starts, and of nothing that another one does; and the
name of the brand of what clears its environment."""


def stand(name: str, place: "Place | None" = None, lock: "FileLock | None" = None) -> None:
    """Have this process watched, before it has threads; `name` is for people who look at its
    descendants. The attempt's place, whose lock it shares, is in use until all is written down."""
    mark = f"{name}/{uuid.uuid4().hex}"
    reading, _ = os.pipe()  # The other end is closed by this process's: nobody inherits it.
    held = _held(place, lock) if place and lock else []
    words = [mark, str(place.left), str(held[-1])] if place and held else [mark]
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:  # now no descendant of the runner, whose engine ends those with it
                _become(reading, held, words)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    for descriptor in (reading, *held):
        os.close(descriptor)
    os.environ[VARIABLE] = mark
    brand.put_on(VARIABLE, mark)


def _held(place: "Place", lock: "FileLock") -> list[int]:
    """The hold on the lock and on the pipe, where there can be one: nothing is kept without."""
    from ml_workspace_lab.jobs.runner.kept_output import reader  # this is for the runner alone

    try:
        pipe = reader(place)
    except OSError:
        return []
    return [lock.share(), pipe]


def _become(reading: int, held: list[int], words: list[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(reading, 0)
    for output in (1, 2):  # The engine's log may end when its runner does.
        os.dup2(nothing, output)
    for descriptor in held:
        os.set_inheritable(descriptor, True)
    # What ends all that has the mark of an attempt leaves this one its last moment.
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    arguments = [sys.executable, "-m", __name__, *words]
    os.execve(sys.executable, arguments, environment)  # noqa: S606


def watch(mark: str, left: str = "", pipe: str = "") -> None:
    """Wait for the end of who has the other end of this process's input, and end what it left."""
    os.read(0, 1)
    from ml_workspace_lab import processes  # not before it is needed

    processes.end_marked(VARIABLE, mark)
    if pipe:
        with suppress(OSError):  # An attempt that was told to its end has no place any more.
            _write_down(int(pipe), left)


def _write_down(pipe: int, left: str) -> None:
    content = b""
    with suppress(BlockingIOError):  # One that could not be found has it open, and prints no more.
        while part := os.read(pipe, AT_ONCE):
            content += part
    if content:
        with open(left, "wb") as file:  # noqa: PTH123 - as little as there can be is imported here
            file.write(content)


if __name__ == "__main__":
    watch(*sys.argv[1:])
