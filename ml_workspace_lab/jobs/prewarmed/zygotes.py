"""The zygotes of this process, one for each interpreter, and starting runners through them."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from ml_workspace_lab import processes
from ml_workspace_lab.jobs.prewarmed import identity
from ml_workspace_lab.jobs.prewarmed.orders import Channel, Order

VARIABLE = "ML_WORKSPACE_PREWARMED"
ENABLED = sys.platform == "linux" and os.environ.get(VARIABLE, "1") != "0"
"""Whether runs may start in a process that was started ahead."""
RUNNER = ["-m", "ml_workspace_lab.jobs.runner"]
MOST = 3
"""Interpreters that a zygote is kept for: those used last."""
PATIENCE_SECONDS = 2.0


class _Forked:
    """A runner that a zygote forked, as `processes` holds a child: how it ended, by the zygote."""

    def __init__(self, zygote: "_Zygote", pid: int) -> None:
        self._zygote = zygote
        self._pid = pid

    def poll(self) -> int | None:
        return self._zygote.code_of(self._pid)


class _Zygote:
    """One zygote as the background process sees it."""

    def __init__(self, interpreter: str, environment: Mapping[str, str]) -> None:
        mine, its = socket.socketpair()
        arguments = [interpreter, "-m", "ml_workspace_lab.jobs.prewarmed", str(its.fileno())]
        with its:
            self._process = subprocess.Popen(
                [*arguments, identity.room()],
                env={**environment, processes.MARK: identity.mark_room()},
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                start_new_session=True,
            )
        self._channel = Channel(mine)
        self._codes: dict[int, int] = {}
        self._answers: list[dict[str, Any]] = []
        self._lock = threading.RLock()
        self._ready = False
        self.outdated = False

    @property
    def is_ready(self) -> bool:
        """Whether it takes orders: it has imported all, and is neither outdated nor dead."""
        self._hear(0)
        return self._ready and not self._channel.gone and not self.outdated

    @property
    def is_gone(self) -> bool:
        return self._process.poll() is not None

    def start(self, order: Order) -> int | None:
        """The pid of the runner that it has started; None where it is not fit for this one."""
        with self._lock:
            self._answers.clear()
            if not self._channel.send(msgspec.to_builtins(order)):
                return None
            until = time.monotonic() + PATIENCE_SECONDS
            while not self._answers and not self._channel.gone and time.monotonic() < until:
                self._hear(until - time.monotonic())
            answer = self._answers.pop() if self._answers else {}
            self.outdated = bool(answer.get("outdated"))
            return answer.get("started")

    def code_of(self, pid: int) -> int | None:
        """How a runner of its ended; None while it runs, or where nobody can tell any more."""
        self._hear(0)
        return self._codes.get(pid)

    def end(self) -> None:
        self._channel.close()

    def _hear(self, seconds: float) -> None:
        with self._lock:
            if self._channel.gone:
                return
            for message in self._channel.receive(max(seconds, 0)):
                if "ended" in message:
                    self._codes[message["ended"]] = message["code"]
                elif "ready" in message:
                    self._ready = True
                else:
                    self._answers.append(message)


class Zygotes:
    """Keeps a zygote for each of the interpreters used last."""

    def __init__(self) -> None:
        self._by_interpreter: dict[str, _Zygote] = {}
        self._outdated: list[_Zygote] = []
        self._lock = threading.Lock()

    def warm(self, interpreter: str, environment: Mapping[str, str]) -> _Zygote | None:
        """The zygote of an interpreter where it is ready; else one is being made."""
        if not ENABLED:
            return None
        with self._lock:
            self._outdated = [zygote for zygote in self._outdated if not zygote.is_gone]
            zygote = self._by_interpreter.pop(interpreter, None)
            if zygote is not None and zygote.outdated:
                self._outdated.append(zygote)  # it tells how its runners end, then goes
            if zygote is None or zygote.outdated or zygote.is_gone:
                zygote = _Zygote(interpreter, environment)
            self._by_interpreter[interpreter] = zygote  # the newest last
            while len(self._by_interpreter) > MOST:
                self._by_interpreter.pop(next(iter(self._by_interpreter))).end()
        return zygote if zygote.is_ready else None


ZYGOTES = Zygotes()


def start(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    wanted: Literal["", "runner", "kernel"],
) -> str:
    """As `processes.start`; a runner that is `wanted` so is forked from the zygote of its
    interpreter where that is fit, and has a Python kernel that is up or starting."""
    interpreter, *rest = arguments
    if ENABLED and wanted and rest[:2] == RUNNER:
        with_kernel = wanted == "kernel"
        order = Order(list(arguments), dict(environment), str(folder), str(log), with_kernel)
        zygote = ZYGOTES.warm(interpreter, environment)
        pid = zygote.start(order) if zygote is not None else None
        if zygote is not None and pid is not None:
            return processes.remember(pid, _Forked(zygote, pid))
        if zygote is not None:
            ZYGOTES.warm(
                interpreter, environment
            )  # this one was outdated: the next run has another
    return processes.start(arguments, environment=environment, folder=folder, log=log)
