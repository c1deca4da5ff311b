"""The process that forks: it keeps one spare, hands it over, and tells how its children ended."""

import os
import select
import signal
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from msgspec import convert

from ml_workspace_lab.jobs.prewarmed import freshness, kernel
from ml_workspace_lab.jobs.prewarmed.orders import Channel, Order
from ml_workspace_lab.jobs.prewarmed.spare import be_spare

SETTLE_SECONDS = 1.0
"""So long after a start the next spare is made: the run that has begun goes first."""
IDLE_VARIABLE = "ML_WORKSPACE_PREWARMED_IDLE_SECONDS"
IDLE_SECONDS = 900.0
"""A spare that nobody has wanted for so long is given up, until the next run."""
LEAST_MEMORY = 0.1
"""Of the machine's memory must be free for a spare to be kept."""
TICK_SECONDS = 2.0


@dataclass
class _Child:
    pid: int
    channel: Channel
    sockets: Path | None


class Zygote:
    """Serves the background process at the other end of the socket `descriptor`."""

    def __init__(self, descriptor: int) -> None:
        self._agent = Channel(socket.socket(fileno=descriptor))
        self._imported = freshness.Imported()
        self._started_with = dict(os.environ)
        self._idle_seconds = float(os.environ.get(IDLE_VARIABLE, IDLE_SECONDS))
        self._children: dict[int, _Child] = {}
        self._spare: _Child | None = None
        self._wanted = time.monotonic()
        self._make_at = 0.0
        self._retired = False
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Until the background process is gone, or this one is outdated and its children ended."""
        self._agent.send({"ready": os.getpid()})
        while not self._agent.gone and not (self._retired and not self._children):
            self._keep_spare()
            soon = self._make_at - time.monotonic()
            pause = min(soon, TICK_SECONDS) if soon > 0 else TICK_SECONDS
            descriptors = [self._agent.fileno(), self._woken.fileno()]
            ready, _, _ = select.select(descriptors, [], [], pause)
            if self._woken.fileno() in ready:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            if self._agent.fileno() in ready:
                for message in self._agent.receive(0):
                    self._take(message)
            if not self._agent.gone:  # else who adopts them is told how they end
                self._reap()
        self._drop_spare()

    def _take(self, message: dict[str, Any]) -> None:
        order = convert(message, Order)
        if reason := self._unfit(order):
            self._agent.send({"refused": reason, "outdated": self._retired})
            return
        self._wanted = time.monotonic()
        self._make_at = self._wanted + SETTLE_SECONDS
        child, self._spare = (self._spare, None) if order.kernel else (None, self._spare)
        if child is None or not child.channel.send(message):
            child = self._fork(with_kernel=order.kernel)
            child.channel.send(message)
        child.channel.close()
        self._agent.send({"started": child.pid})

    def _unfit(self, order: Order) -> str:
        """Why a fork of this process is not what the order asks for; empty where it is."""
        if not self._retired and self._imported.changed():
            self._retired = True
            self._drop_spare()
        if self._retired:
            return "it is outdated"
        if names := freshness.differing(order.environment, self._started_with):
            return f"variables differ: {', '.join(names)}"
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
            return "it has threads"
        return ""

    def _keep_spare(self) -> None:
        """Have a spare where one is likely to be wanted and there is room for it."""
        moment = time.monotonic()
        memory = psutil.virtual_memory()
        fine = (
            not self._retired
            and moment - self._wanted < self._idle_seconds
            and memory.available >= LEAST_MEMORY * memory.total
        )
        if self._spare is not None and not fine:
            self._drop_spare()
        elif self._spare is None and fine and moment >= self._make_at:
            self._spare = self._fork(with_kernel=True)

    def _drop_spare(self) -> None:
        if self._spare is not None:
            self._spare.channel.close()
            self._spare = None

    def _fork(self, *, with_kernel: bool) -> _Child:
        sockets = Path(tempfile.mkdtemp(prefix="mlws-")) if with_kernel else None
        mine, its = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            self._let_go()
            mine.close()
            os.setsid()
            be_spare(its, sockets)
        its.close()
        child = self._children[pid] = _Child(pid, Channel(mine), sockets)
        return child

    def _let_go(self) -> None:
        """In a forked child: of all that is the zygote's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._agent.close()
        self._woken.close()
        self._wake.close()
        for child in self._children.values():
            if not child.channel.gone:
                child.channel.close()

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self._children.pop(pid)
            if child.sockets is not None:
                kernel.remove(child.sockets)
            if child is self._spare:
                child.channel.close()
                self._spare = None
                self._make_at = time.monotonic() + SETTLE_SECONDS
            else:
                self._agent.send({"ended": pid, "code": os.waitstatus_to_exitcode(status)})
