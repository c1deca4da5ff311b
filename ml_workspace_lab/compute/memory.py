"""Memory limits by Linux's control groups: a limit for all processes of an attempt together.

Version 1 and 2 of the groups are used where this user may make some below the group that this
process is in.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex

MOUNT = Path("/sys/fs/cgroup")
OURS = "ml-workspace-lab"
_UNLIMITED = 2**60


@dataclass(frozen=True)
class MemoryUse:
    """What the processes of a group have used at most, and how often one was killed for it."""

    peak: int
    limit: int | None
    kills: int

    def __str__(self) -> str:
        if not self.limit:
            return f"out of memory: {_mib(self.peak)} were in use"
        return f"out of memory: {_mib(self.peak)} of {_mib(self.limit)} were in use (memory limit)"


class MemoryGroup:
    """A control group; `path` need not be there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first = MOUNT / "memory" in path.parents or path == MOUNT / "memory"

    def make(self, limit: int) -> None:
        """Make it with a limit in bytes, swap included. Raises OSError."""
        self.path.parent.mkdir(exist_ok=True)
        if not self._first:
            for above in (self.path.parent.parent, self.path.parent):
                (above / "cgroup.subtree_control").write_text("+memory")
        self.path.mkdir(exist_ok=True)
        names = (
            ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
            if self._first
            else ("memory.max", "memory.swap.max")
        )
        (self.path / names[0]).write_text(str(limit))
        with suppress(OSError):  # a kernel that doesn't count swap
            (self.path / names[1]).write_text(str(limit if self._first else 0))

    def take(self, pid: int) -> None:
        """Put a process into it, and so what that starts from now on."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def use(self) -> MemoryUse | None:
        """None where it isn't there."""
        try:
            if self._first:
                peak, limit, events = (
                    "memory.max_usage_in_bytes",
                    "memory.limit_in_bytes",
                    "memory.oom_control",
                )
            else:
                peak, limit, events = "memory.peak", "memory.max", "memory.events"
            bound = (self.path / limit).read_text().strip()
            counted = dict(_pairs((self.path / events).read_text()))
            return MemoryUse(
                peak=int((self.path / peak).read_text()),
                limit=None if bound == "max" or int(bound) > _UNLIMITED else int(bound),
                kills=int(counted.get("oom_kill", 0)),
            )
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Take it away, once no process is in it any more."""
        with suppress(OSError):
            self.path.rmdir()


def group_of(name: str) -> MemoryGroup:
    """The group of an attempt on this machine."""
    return MemoryGroup(_parent() / OURS / name)


def own_group() -> MemoryGroup:
    """The group that this process is in, whoever made it."""
    found = _own_paths()
    for path in found:
        if path.is_dir():
            return MemoryGroup(path)
    return MemoryGroup(MOUNT / "none")


@cache
def can_limit() -> bool:
    """Whether this process may make groups with limits."""
    trial = group_of(f"trial-{token_hex(4)}")
    try:
        trial.make(1 << 30)
    except OSError:
        return False
    finally:
        trial.remove()
    return True


def _parent() -> Path:
    """The group below which ours are: this process's own, outside of any of ours."""
    own = own_group().path
    for above in (own, *own.parents):
        if above.name == OURS:
            return above.parent
    if own.is_dir():
        return own
    return MOUNT / "memory" if (MOUNT / "memory").is_dir() else MOUNT


def _own_paths() -> Iterator[Path]:
    """Where this process's group may be: in a container, the root stands for it."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield MOUNT / "memory" / path.strip("/")
            yield MOUNT / "memory"
        elif not controllers and (MOUNT / "cgroup.controllers").exists():
            yield MOUNT / path.strip("/")
            yield MOUNT


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        yield name, value


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
