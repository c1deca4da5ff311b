"""A local network on this machine: hosts that are network namespaces, joined by a bridge. Nobody
outside this machine reaches them, and they reach nobody there."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.waiting import eventually


def why_there_are_no_hosts() -> str:
    """What keeps this machine from having hosts of its own; empty where nothing does."""
    if os.geteuid():
        return "hosts of their own need root"
    if lacking := [name for name in ("ip", "nsenter", "setpriv") if not shutil.which(name)]:
        return f"hosts of their own need {', '.join(lacking)} (scripts/install_fault_tools)"
    try:
        lan = Lan("try")
        try:
            lan.host()
        finally:
            lan.remove()
    except subprocess.CalledProcessError as error:
        return f"this machine can't make hosts of its own: {error.stderr.strip()}"
    return ""


class Lan:
    """A bridge with the address `gateway`, which is this machine's own, and its hosts."""

    def __init__(self, name: str) -> None:
        """`name` has at most three letters: the devices of two workers must not share theirs."""
        self.name = f"{name}{os.getpid()}"
        taken = _ip("-oneline", "addr", "show")
        first = os.getpid() % 256
        third = next(
            n % 256 for n in range(first, first + 256) if f"10.209.{n % 256}." not in taken
        )
        self._prefix = f"10.209.{third}"
        self.gateway = f"{self._prefix}.1"
        self._hosts: list[Host] = []
        _ip("link", "add", self.name, "type", "bridge")
        _ip("addr", "add", f"{self.gateway}/24", "dev", self.name)
        _ip("link", "set", self.name, "up")

    def host(self) -> "Host":
        """One more host."""
        number = len(self._hosts) + 1
        address = f"{self._prefix}.{number + 1}"
        host = Host(f"{self.name}{'abcdef'[number]}", address, self.gateway)
        self._hosts.append(host)
        host.join(self.name)
        return host

    def remove(self) -> None:
        """End every process on its hosts, and take the devices away."""
        for host in self._hosts:
            if host.is_there():
                host.end_processes()
                host.remove()
        _ip("link", "delete", self.name)


class Host:
    def __init__(self, name: str, address: str, gateway: str) -> None:
        self.name = name
        self.address = address
        self._gateway = gateway

    def join(self, bridge: str) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", self.name, "master", bridge)
        _ip("link", "set", self.name, "up")
        _ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", self.name, "link", "set", device, "up")
        self._route()

    def _route(self) -> None:
        """To this machine's other addresses; nothing is forwarded beyond it."""
        _ip("-n", self.name, "route", "replace", "default", "via", self._gateway)

    @property
    def _namespace(self) -> Path:
        return Path("/run/netns", self.name)

    def is_there(self) -> bool:
        return self._namespace.exists()

    @property
    def enter(self) -> list[str]:
        """Words before a command that is to run there, and to die with this process. Not `ip netns
        exec`, which mounts a /sys without control groups, and slurmd ends without them."""
        return ["nsenter", f"--net={self._namespace}", "setpriv", "--pdeathsig=KILL"]

    def cut(self) -> None:
        """Pull the plug: nobody reaches this host, and it reaches nobody."""
        _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        _ip("link", "set", self.name, "up")
        self._route()

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Cut within the block."""
        self.cut()
        try:
            yield
        finally:
            self.mend()

    def processes(self) -> list[int]:
        """The ids of all processes that are there, however they call themselves."""
        inode = self._namespace.stat().st_ino
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
