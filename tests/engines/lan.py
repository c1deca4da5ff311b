"""A local network on this machine: hosts that are network namespaces, joined by a bridge."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.conftest import eventually


def can_make_hosts() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, ("ip", "nsenter", "setpriv")))


class Lan:
    """A bridge with the address `gateway`, which is this machine's own, and its hosts."""

    def __init__(self, name: str) -> None:
        """`name` has at most three letters: the devices of two workers must not share theirs."""
        self._name = f"{name}{os.getpid()}"
        taken = _ip("-oneline", "addr", "show")
        first = os.getpid() % 256
        third = next(
            n % 256 for n in range(first, first + 256) if f"10.209.{n % 256}." not in taken
        )
        self._prefix = f"10.209.{third}"
        self.gateway = f"{self._prefix}.1"
        self._hosts: list[Host] = []
        _ip("link", "add", self._name, "type", "bridge")
        _ip("addr", "add", f"{self.gateway}/24", "dev", self._name)
        _ip("link", "set", self._name, "up")

    def host(self) -> "Host":
        """One more host."""
        number = len(self._hosts) + 1
        host = Host(f"{self._name}{'abcdef'[number]}", f"{self._prefix}.{number + 1}")
        host.join(self._name)
        self._hosts.append(host)
        return host

    def remove(self) -> None:
        """End every process on its hosts, and take the devices away."""
        for host in self._hosts:
            host.end_processes()
            host.remove()
        _ip("link", "delete", self._name)


class Host:
    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address

    def join(self, bridge: str) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", self.name, "master", bridge)
        _ip("link", "set", self.name, "up")
        _ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", self.name, "link", "set", device, "up")

    @property
    def enter(self) -> list[str]:
        """Words before a command that is to run there, and to die with this process."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "setpriv", "--pdeathsig=KILL"]

    def cut(self) -> None:
        """Pull the plug: nobody reaches this host, and it reaches nobody."""
        _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        _ip("link", "set", self.name, "up")

    def processes(self) -> list[int]:
        """The ids of all processes that are there, however they call themselves."""
        inode = Path("/run/netns", self.name).stat().st_ino
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "ns/net").stat().st_ino == inode:
                    found.append(int(process.name))
        return found

    def end_processes(self) -> None:
        """End whatever is there, as a power cut does."""

        def none_is_left() -> bool:
            found = self.processes()
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not found

        eventually(none_is_left, what=f"the processes of {self.name} end")

    def remove(self) -> None:
        _ip("netns", "delete", self.name)
        with suppress(subprocess.CalledProcessError):  # it goes with its namespace, in a while
            _ip("link", "delete", self.name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout
