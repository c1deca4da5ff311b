"""A line to a host of its own, made of packets: they are lost, come late, or don't come at all."""

import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

HERE, THERE = "10.211.0.1", "10.211.0.2"
TUN = Path("/dev/net/tun")
_SET_INTERFACE = 0x400454CA
_PACKETS_ALONE = 0x0001 | 0x1000
"""IP packets, with no header of the device's own."""


def can_lay_lines() -> bool:
    return os.geteuid() == 0 and TUN.exists() and bool(shutil.which("ip"))


class Line:
    """Joins this machine (`HERE`) to a host (`THERE`) by two devices that hand their packets over.

    `loss` is the share of packets that vanish on either way, `delay` the seconds that one takes;
    while the line `is_cut` they all vanish, and neither end is told: what is connected stays so.
    """

    def __init__(self) -> None:
        self.loss = self.delay = 0.0
        self.is_cut = False
        self.lost = self.passed = 0
        self.host = f"mlwl{os.getpid()}"
        self._random = random.Random(14)
        _ip("netns", "add", self.host)
        names = (f"{self.host}a", f"{self.host}b")
        self._ends = tuple(map(_device, names))
        _ip("addr", "add", f"{HERE}/30", "dev", names[0])
        _ip("link", "set", names[0], "up")
        _ip("link", "set", names[1], "netns", self.host)
        _ip("-n", self.host, "addr", "add", f"{THERE}/30", "dev", names[1])
        _ip("-n", self.host, "link", "set", names[1], "up")
        self._over, self._end = os.pipe()
        self._thread = threading.Thread(target=self._pass)
        self._thread.start()

    @property
    def enter(self) -> list[str]:
        """Words before a command that is to run on the host."""
        return ["ip", "netns", "exec", self.host]

    def remove(self) -> None:
        os.close(self._end)
        self._thread.join()
        for end in (*self._ends, self._over):
            os.close(end)
        _ip("netns", "del", self.host)

    def _pass(self) -> None:
        late: deque[tuple[float, int, bytes]] = deque()
        one, other = self._ends
        while True:
            wait = max(0.0, late[0][0] - time.monotonic()) if late else None
            ready, _, _ = select.select([one, other, self._over], [], [], wait)
            if self._over in ready:
                return
            for end in ready:
                packet = os.read(end, 65536)
                if self.is_cut or self._random.random() < self.loss:
                    self.lost += 1
                else:
                    to = other if end == one else one
                    late.append((time.monotonic() + self.delay, to, packet))
            while late and late[0][0] <= time.monotonic():
                _, to, packet = late.popleft()
                with suppress(OSError):  # a packet that is none of theirs
                    os.write(to, packet)
                self.passed += 1


def _device(name: str) -> int:
    device = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(device, _SET_INTERFACE, struct.pack("16sH", name.encode(), _PACKETS_ALONE))
    return device


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
