"""A network of the cluster's own: its daemons listen there, and nobody outside this machine reaches
them. The test's own processes do, over a line between the two."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


def can_make_networks() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, ("ip", "nsenter", "setpriv")))


@dataclass(frozen=True)
class Network:
    """A network namespace, joined to this machine's by a pair of virtual devices."""

    name: str
    here: str
    there: str

    @classmethod
    def make(cls) -> "Network":
        """A new one, on a pair of addresses that nobody on this machine has."""
        pid = os.getpid()
        taken = _ip("-oneline", "addr", "show")
        third = next(n for n in range(pid % 256, 512) if f"10.208.{n % 256}." not in taken) % 256
        made = cls(f"slurm{pid}", f"10.208.{third}.1", f"10.208.{third}.2")
        made._join()
        return made

    def _join(self) -> None:
        here, there = f"{self.name}a"[-15:], f"{self.name}b"[-15:]
        _ip("netns", "add", self.name)
        # With a loopback device alone the C library finds no address at all, not even 127.0.0.1.
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", there)
        _ip("-n", self.name, "link", "set", there, "up")
        _ip("-n", self.name, "link", "set", "lo", "up")
        # To this machine's other addresses; nothing is forwarded beyond it.
        _ip("-n", self.name, "route", "add", "default", "via", self.here)

    @property
    def enter(self) -> list[str]:
        """Words before a command that is to run there. Not `ip netns exec`, which mounts a /sys
        without control groups, and slurmd ends without them."""
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def processes(self) -> list[int]:
        """The ids of all processes that are there."""
        inode = Path("/run/netns", self.name).stat().st_ino
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "ns/net").stat().st_ino == inode:
                    found.append(int(process.name))
        return found

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nothing passes between the cluster and this machine within the block."""
        line = f"{self.name}a"[-15:]
        _ip("link", "set", line, "down")
        try:
            yield
        finally:
            _ip("link", "set", line, "up")
            _ip("-n", self.name, "route", "replace", "default", "via", self.here)

    def remove(self) -> None:
        """It goes with its devices; the processes that are still there are the caller's to end."""
        _ip("netns", "delete", self.name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout
