"""Connections that a worker has are held by another one as well: a client of one that is killed is
not cut off. The other takes its idle connections over, and answers 503 to whoever waits.

This is the side of the one that may die. What it shares with its guardian is a number for each
connection: the bytes that it has read and has answered. The system knows how many it has read, so
the guardian knows what is due also where this one died in the middle of anything. (Linux alone
tells that; elsewhere nothing is held.) One more number says which line to a guardian is the last
one: where another one ends, its worker has left it and is not dead.
"""

import asyncio
import fcntl
import mmap
import os
import socket
import struct
import sys
import termios

from ml_workspace_lab.endpoints.folder import WorkerFolder
from ml_workspace_lab.endpoints.scoring.doors import address

GUARD = "guard"
"""The name of a guardian's socket, in the folder of its process."""
MOST = 256
"""Connections that one holds for another."""
MESSAGE = struct.Struct("=cI")
BOARD, HOLD, DROP = b"b", b"h", b"d"
BYTES = 8 * (MOST + 1)
BROKEN, OWED = -1, -2
"""In place of the number: a part of an answer may have been sent, so that nothing can follow; or an
answer was due already when the connection came to be held."""
IS_KNOWN = sys.platform == "linux"
_RECEIVED = 128
"""Where the count of received bytes lies in Linux's `tcp_info`."""


def consumed(connection: socket.socket) -> int:
    """The bytes that have been read from a connection, by whichever process; its end counts as one
    more."""
    received = _received(connection)
    while True:
        (unread,) = struct.unpack("=i", fcntl.ioctl(connection, termios.FIONREAD, b"\0\0\0\0"))
        before, received = received, _received(connection)
        if received == before:  # Else more has come between the two.
            return received - int(unread)


def _received(connection: socket.socket) -> int:
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("=Q", told, _RECEIVED)[0])


class Held:
    """One connection that is held. `received` is what has been read from it."""

    def __init__(self, wards: "Wards", at: int, descriptor: int, received: int) -> None:
        self.descriptor = descriptor
        self.received = received
        self._wards = wards
        self._at = at
        self._cells = wards.cells

    def send(self, answer: bytes, *, is_all: bool) -> bytes:
        """Send what the system takes at once; what it does not take is returned. `is_all`: with
        this everything that was read is answered."""
        try:
            count = os.write(self.descriptor, answer)
        except OSError:
            count = 0
        if count < len(answer):
            self.breaks()
        elif is_all:
            self._cells[self._at] = self.received
        return answer[count:]

    def breaks(self) -> None:
        """An answer is sent in parts."""
        self._cells[self._at] = BROKEN

    def drop(self) -> None:
        """The connection is closed."""
        self._wards.drop(self._at)


class Wards:
    """All that is held for one worker, and by whom; nothing as long as there is no other one."""

    def __init__(self, folder: WorkerFolder) -> None:
        self._folder = folder
        self._memory = _memory() if IS_KNOWN else -1
        shared = mmap.mmap(self._memory, BYTES)
        self.cells = memoryview(shared).cast("q")
        self._free = list(range(MOST))
        self._held: dict[int, Held] = {}
        self._others: list[WorkerFolder] = []
        self._guardian: int | None = None
        self._line: socket.socket | None = None

    @property
    def has_room(self) -> bool:
        """Whether one more can be held."""
        return self._line is not None and bool(self._free)

    def look(self, others: list[WorkerFolder]) -> None:
        """Choose who is to hold, among those that could: the next one by number."""
        if IS_KNOWN:
            own = self._folder.worker
            self._others = sorted(others, key=lambda one: (one.worker <= own, one.worker))
            self._choose()

    def hold(self, descriptor: int, received: int, *, is_idle: bool = True) -> Held | None:
        """Have a connection held from which so many bytes were read, which are answered where it
        `is_idle`; None where it can't be."""
        if not self.has_room:
            return None
        at = self._free.pop()
        held = self._held[at] = Held(self, at, descriptor, received)
        self.cells[at] = received if is_idle else OWED
        self._send(HOLD, at, descriptor)
        return held

    def drop(self, at: int) -> None:
        if self._held.pop(at, None) is not None:
            self._free.append(at)
            self._send(DROP, at)

    def pass_on(self) -> None:
        """Have what is held stay held: it goes to the guardian when this process ends."""
        self._held = {}

    def _choose(self) -> None:
        """Go to the first that can be reached, unless it is there already that holds."""
        for one in self._others:
            if one.worker == self._guardian or self._go_to(one):
                return

    def _go_to(self, guardian: WorkerFolder) -> bool:
        """Have all held by this one. The former one lets go after that, so that at no moment
        nobody holds: which of the two is meant is changed at once, by the number of the line."""
        line = socket.socket(socket.AF_UNIX)
        number = self.cells[MOST] + 1
        try:
            line.connect(address(guardian, GUARD))
            line.setblocking(False)
            _tell(line, BOARD, number, self._memory)
            for at, held in self._held.items():
                _tell(line, HOLD, at, held.descriptor)
        except OSError:
            line.close()  # The next look tries again.
            return False
        self._leave()
        self._line, self._guardian = line, guardian.worker
        asyncio.get_running_loop().add_reader(line, self._lost)
        return True

    def _send(self, kind: bytes, at: int, *descriptors: int) -> None:
        """Tell the guardian. One that is gone, or can't follow, is left."""
        if self._line is None:
            return
        try:
            _tell(self._line, kind, at, *descriptors)
        except OSError:
            self._lost()

    def _lost(self) -> None:
        """The guardian has ended, since it never says anything: another one holds from now on."""
        self._leave()
        self._choose()

    def _leave(self) -> None:
        """Whoever holds lets go: its line is not the last one any more."""
        self.cells[MOST] += 1
        if self._line is not None:
            asyncio.get_running_loop().remove_reader(self._line)
            self._line.close()
        self._line, self._guardian = None, None


def _tell(line: socket.socket, kind: bytes, at: int, *descriptors: int) -> None:
    socket.send_fds(line, [MESSAGE.pack(kind, at)], [*descriptors])


def _memory() -> int:
    """Memory that can be shared, as a descriptor."""
    descriptor = os.memfd_create("wards")
    os.ftruncate(descriptor, BYTES)
    return descriptor
