"""Ends what a runner leaves behind where it is killed and no engine reaches its descendants.

An engine that kills a runner may know nothing of the groups and sessions that its program has made.
So a process beside it, which is in neither, waits for its end, however that comes.
"""

import os
import signal
import uuid

from ml_workspace_lab import processes

VARIABLE = "ML_WORKSPACE_GUARD"
"""In the environment of all that this runner starts, and of nothing that another one does."""


def stand(name: str) -> None:
    """Begin to watch this process, before it has threads; `name` is for people who look at the
    variables of its descendants."""
    mark = f"{name}/{uuid.uuid4().hex}"
    reading, writing = os.pipe()  # It is closed by the end of this process: nobody inherits it.
    child = os.fork()
    if child == 0:
        try:
            os.close(writing)
            os.setsid()
            if os.fork() == 0:  # now no descendant of the runner, whose engine ends those with it
                _watch(reading, mark)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(reading)
    os.environ[VARIABLE] = mark


def _watch(reading: int, mark: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # The engine's log may end when its runner does.
        os.dup2(nothing, descriptor)
    os.read(reading, 1)
    processes.end_marked(VARIABLE, mark)
