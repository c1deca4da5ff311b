"""A SQLite file is for the processes of one machine: what they share of it is memory.

Each process that has the file open holds a shared lock of a file beside it, which says which
machine they are of, and which process was the first. Who finds another machine's name there must
have the lock alone to put its own in place: so a machine that is gone, and one that has let go, is
followed by the next, and one that goes on is not. The kernel (on a network file system: its server)
takes a lock back when its holder dies. A child of a fork shares its parent's hold.
"""

import errno
import fcntl
import json
import os
import time
from pathlib import Path

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.files import disk_errors, try_flock

PATIENCE = 1.0
"""Seconds. Nobody holds the lock alone for longer than it takes to write a name."""
PAUSE = 0.002
SIZE = 512
"""Bytes: the name is written over the last one in place, for which a full disk has room."""
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Holder:
    """The first of a machine's processes that have the file open now; `since` in seconds since
    1970-01-01 UTC. Containers of one machine have names of their own, and its boot id."""

    # A plain class: every script makes it anew, and others take ten times as long to be made.
    def __init__(self, boot: str, host: str, pid: int, since: float) -> None:
        self.boot = boot
        self.host = host
        self.pid = pid
        self.since = since


class Hold:
    """Keeps the file for this machine for as long as this object is there."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)


def hold(database: Path) -> Hold:
    """Hold the database file for this machine. Raises Unavailable where another one has it open,
    and where the file system has no locks."""
    place = _place(database)
    until: float | None = None
    while (found := _take(place)) is None or isinstance(found, Holder):
        until = until or time.monotonic() + PATIENCE
        if time.monotonic() > until:
            raise _in_use(database, found)
        time.sleep(PAUSE)
    return found


def require_here(database: Path) -> None:
    """The same on a read-only disk, where no name can be written and nothing is held: raise where
    another machine has the file open."""
    try:
        descriptor = os.open(_place(database), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        until = time.monotonic() + PATIENCE
        while not _is_ours(_read(descriptor)) and not _is_free(descriptor):
            if time.monotonic() > until:
                raise _in_use(database, _read(descriptor))
            time.sleep(PAUSE)
    finally:
        os.close(descriptor)


def _take(place: Path) -> Hold | Holder | None:
    """This machine's hold; else who is in the way, None where that can't be told."""
    descriptor = _open(place)
    holder: Holder | None = None
    try:
        with disk_errors():
            if try_flock(descriptor, fcntl.LOCK_EX):
                _write(descriptor)
            # Between the two lines another machine may have had it.
            shared = try_flock(descriptor, fcntl.LOCK_SH)
            holder = _read(descriptor)
        if shared and _is_ours(holder):
            descriptor, held = -1, Hold(descriptor)
            return held
        return holder
    finally:
        if descriptor >= 0:  # at once, and not when a traceback goes
            os.close(descriptor)


def _open(place: Path) -> int:
    try:
        with disk_errors():
            return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError:
        raise Unavailable(f"{place} can't be written to.", hint="Check its rights.") from None


def _place(database: Path) -> Path:
    return database.with_name(f"{database.name}.host")


def _is_free(descriptor: int) -> bool:
    try:
        return try_flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno != errno.EBADF:  # NFS tells only who may write
            raise
        return False


def _is_ours(holder: Holder | None) -> bool:
    """Nobody's, too: whoever had the lock alone and no room for a name was of this machine, or is
    gone."""
    return holder is None or holder.boot == boot_id()


def _read(descriptor: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(descriptor, SIZE, 0)))
    except (ValueError, TypeError):
        return None


def _write(descriptor: int) -> None:
    holder = Holder(boot_id(), os.uname().nodename, os.getpid(), time.time())
    content = json.dumps(vars(holder)).encode()
    try:
        os.pwrite(descriptor, content.ljust(SIZE), 0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        os.ftruncate(descriptor, 0)


_boot: list[str] = []


def boot_id() -> str:
    """What all processes of this machine have in common, and no other machine, until it is started
    anew. Elsewhere than on Linux its name has to do."""
    if not _boot:
        try:
            with open(BOOT_ID, encoding="ascii") as file:  # noqa: PTH123 - twice as fast
                _boot.append(file.read().strip())
        except OSError:
            _boot.append(f"of {os.uname().nodename}")
    return _boot[0]


def _in_use(database: Path, holder: Holder | None) -> Unavailable:
    who = "another machine"
    if holder is not None:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder.since))
        who = f"another machine: {holder.host}, since {since}, first by its process {holder.pid}"
    return Unavailable(
        f"{database} is in use on {who}. Only processes of one machine can work on a SQLite file.",
        hint="End what uses it there (its notebooks, servers and background process), use it from"
        " here by `ml-workspace serve` of that machine, or keep the records in PostgreSQL.",
    )
