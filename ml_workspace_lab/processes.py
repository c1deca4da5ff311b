"""Child processes that outlive their parent, known again by pid and start."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

import psutil

from ml_workspace_lab import brand

MARK = "ML_WORKSPACE_RUN"
"""In the environment of every process of an attempt: how its descendants are found. Its value is
`RUN/ATTEMPT@FOLDER`."""


class Child(Protocol):
    """A process whose end this one is told of."""

    def poll(self) -> int | None:
        """How it ended (-n: by signal n); None while it runs."""
        ...


_children: dict[str, Child] = {}


def start(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    descriptors: Sequence[int] = (),
) -> str:
    """Start a process in a session of its own, its output appended to `log`; its native id. It has
    the open `descriptors` under the same numbers."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            arguments,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=descriptors,
        )
    return remember(process.pid, process)


def remember(pid: int, child: Child) -> str:
    """The native id of a process that was just started; `child` will tell how it ended."""
    native = native_id(pid)
    _children[native] = child
    return native


def native_id(pid: int) -> str:
    """Pid and start: a pid alone may have been given to another process meanwhile."""
    try:
        return f"{pid}:{_start_of(pid)}"
    except (psutil.NoSuchProcess, OSError):
        return f"{pid}:0"


def _start_of(pid: int) -> str:
    """When a process began. On Linux in ticks since the machine was started: what psutil makes of
    them is another time for the same process as soon as the clock is set."""
    if sys.platform != "linux":
        return f"{psutil.Process(pid).create_time():.2f}"
    # The second field, a name, may have spaces and parentheses in it; the 22nd is the start.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return f"{fields[19].decode()}-{_boot()}"


@cache
def _boot() -> str:
    """Which start of the machine this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]


def find(native: str) -> psutil.Process | None:
    """The process of that native id, None where it has ended (a zombie has)."""
    if native in _children and _children[native].poll() is not None:
        return None
    pid, _, _ = native.partition(":")
    try:
        process = psutil.Process(int(pid))
        if native_id(process.pid) == native and not _has_ended(process):
            return process
    except (psutil.Error, ValueError):
        pass
    return None


def _has_ended(process: psutil.Process) -> bool:
    # The first thread may be over while others are not, and then nobody can be told yet how the
    # process has ended.
    return bool(process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1)


def return_code(native: str) -> int | None:
    """How a process ended (-n: by signal n); None for one that runs or is not this one's child."""
    process = _children.get(native)
    return process.poll() if process else None


def ending(native: str) -> str:
    """How a process ended, in words; empty for one that runs or that another process started."""
    code = return_code(native)
    return "" if code is None else in_words(code)


def in_words(code: int) -> str:
    if code < 0:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    return f"exit code {code}"


def end(native: str, *, force: bool) -> None:
    """Ask a process to end or, with `force`, end it. One that is gone already is fine."""
    process = find(native)
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL if force else signal.SIGTERM)


def marked(name: str, value: str) -> list[psutil.Process]:
    """This user's processes whose environment says `name=value`: descendants, however detached."""
    return _others(lambda process: _says(process, name, value))


def end_marked(name: str, value: str) -> int:
    """End every process that `marked` finds, or that bears `name=value` as a brand: what has
    cleared its environment, too. Until none is left; how many there were."""

    def is_one(process: psutil.Process) -> bool:
        return brand.is_on(process.pid, name, value) or _says(process, name, value)

    return _end_all(lambda: _others(is_one))


def _others(is_one: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and is_one(p)]


def _says(process: psutil.Process, name: str, value: str) -> bool:
    with suppress(psutil.Error, OSError):
        return bool(process.environ().get(name) == value)
    return False


def end_descendants() -> int:
    """End every process that descends from this one, until none is left; how many there were."""
    return _end_all(lambda: psutil.Process().children(recursive=True))


def _end_all(find: Callable[[], list[psutil.Process]]) -> int:
    ended = 0
    # Again until nothing is found: a process may fork while the others are being ended.
    while processes := [process for process in find() if _is_at_work(process)]:
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
                ended += 1
        psutil.wait_procs(processes, timeout=2)
    return ended


def _is_at_work(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
