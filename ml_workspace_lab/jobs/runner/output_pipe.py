"""What a program prints, on its way from the program to the log."""

import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from ml_workspace_lab.jobs.runner.kept_output import AT_ONCE, KeptOutput

ROOM = 1024 * 1024
"""Bytes that the pipe holds, where the system lets it: the program prints on while we are busy."""
REST_SECONDS = 0.05
"""Between two looks into the pipe: a program that prints line by line would wake us for each, and
pays for that."""
DRAIN_SECONDS = 60.0
"""How long is waited for what is still in the pipe once all who print into it should have ended."""


class OutputPipe:
    """Reads on whatever becomes of what is read, so that the program never waits for the log. With
    `kept` nothing of it is lost where this process is killed."""

    def __init__(self, write: Callable[[bytes], None], kept: KeptOutput | None = None) -> None:
        self._write = write
        self._kept = kept
        self._exit, self.entrance = kept.open() if kept else os.pipe()
        with suppress(AttributeError, OSError):  # the system's own size does, only less well
            fcntl.fcntl(self.entrance, fcntl.F_SETPIPE_SZ, ROOM)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, name="output", daemon=True)

    def let_go(self) -> None:
        """The program has its end of the pipe: ours is closed, so that its end is noticed."""
        os.close(self.entrance)
        self.entrance = -1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.entrance >= 0:
            self.let_go()
        self._over.set()
        self._thread.join(DRAIN_SECONDS)

    def _pass_on(self) -> None:
        if self._kept is not None:
            self._kept.pass_on(self._exit, self._write, self._rest)
        else:
            while content := os.read(self._exit, AT_ONCE):
                self._write(content)
                if len(content) < AT_ONCE:
                    self._rest()
        os.close(self._exit)

    def _rest(self) -> None:
        self._over.wait(REST_SECONDS)
