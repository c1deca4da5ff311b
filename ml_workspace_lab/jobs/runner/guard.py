"""Ends what a runner leaves behind where it is killed and no engine reaches its descendants.

An engine that kills a runner may know nothing of the groups and sessions that its program has made.
So a process beside it, which is in neither, waits for its end, however that comes:
`python -m ml_workspace_lab.jobs.runner.guard MARK`.
"""

import os
import signal
import sys
import uuid

VARIABLE = "ML_WORKSPACE_GUARD"
"""In the environment of all that this runner starts, and of nothing that another one does."""


def stand(name: str) -> None:
    """Have this process watched, before it has threads; `name` is for people who look at its
    descendants."""
    mark = f"{name}/{uuid.uuid4().hex}"
    reading, _ = os.pipe()  # The other end is closed by this process's: nobody inherits it.
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:  # now no descendant of the runner, whose engine ends those with it
                _become(reading, mark)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(reading)
    os.environ[VARIABLE] = mark


def _become(reading: int, mark: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(reading, 0)
    for output in (1, 2):  # The engine's log may end when its runner does.
        os.dup2(nothing, output)
    os.execv(sys.executable, [sys.executable, "-m", __name__, mark])  # noqa: S606


def watch(mark: str) -> None:
    """Wait for the end of who has the other end of this process's input, and end what it left."""
    os.read(0, 1)
    from ml_workspace_lab import processes  # not before it is needed

    processes.end_marked(VARIABLE, mark)


if __name__ == "__main__":
    watch(sys.argv[1])
