"""The compute target `local`: runner processes on this machine."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psutil
from msgspec import Struct

from ml_workspace_lab import processes
from ml_workspace_lab.compute import ended, gpus
from ml_workspace_lab.compute.driver import (
    LOG_TAIL,
    Capability,
    Handle,
    Launch,
    Phase,
    Probe,
    Unreachable,
    native_name,
)
from ml_workspace_lab.compute.memory import can_limit, group_of
from ml_workspace_lab.compute.model import Capacity, Count, Node, Problem
from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.jobs import prewarmed
from ml_workspace_lab.processes import MARK
from ml_workspace_lab.storage.files import is_held
from ml_workspace_lab.storage.storage import RunFolder

LOG = "runner.log"


class LocalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`slots` is how many runs there are at once (default: one a core), `gpus` how many of the GPUs
    are for runs that ask for some (default: all that nvidia-smi lists)."""

    slots: Count | None = None
    gpus: Count | None = None


class LocalDriver:
    """Starts one runner process for each attempt. The lock that it holds says that it lives."""

    settings_type: ClassVar[type[Struct]] = LocalSettings

    def __init__(self, target: str, settings: LocalSettings, root: Path) -> None:
        self._target = target
        self._settings = settings
        self._root = root
        self._runs = root / "runs"
        self._gpus = gpus.Assignments(root / "gpus")

    @property
    def capabilities(self) -> frozenset[Capability]:
        here: set[Capability] = {"shared_fs", "engine_logs", "memory_limit"}
        return frozenset(here | {"gpu"} if self._devices() else here)

    def submit(self, launch: Launch) -> Handle:
        if known := self.find(launch.run_id, launch.attempt):
            return known
        folder = self._folder(launch.run_id)
        folder.create()
        mark = self._mark(launch.run_id, launch.attempt)
        taken = self._take_gpus(launch)
        try:
            native = prewarmed.start(
                launch.argv,
                environment=_environment(launch, mark) | gpus.variables(taken),
                folder=folder.path,
                log=folder.path / LOG,
                wanted=launch.prewarmed,
            )
        except OSError:
            self._gpus.release((launch.run_id, launch.attempt))
            raise
        self._limit_memory(launch, native)
        return Handle(self._target, native, launch.run_id, launch.attempt)

    def _limit_memory(self, launch: Launch, native: str) -> None:
        """Hold the attempt to the memory that it asked for, where this machine lets us; elsewhere
        its runner watches it."""
        limit = launch.resources.memory_bytes
        if limit is not None and can_limit():
            group = group_of(launch.name)
            with suppress(ProcessLookupError):  # it has ended already
                group.make(limit)
                group.take(int(native.partition(":")[0]))

    def _take_gpus(self, launch: Launch) -> list[str]:
        """The devices that the attempt is given. Raises Unreachable where too few are free now."""
        wanted = launch.resources.gpus
        if not wanted:
            return []
        owner = (launch.run_id, launch.attempt)
        taken = self._gpus.take(owner, wanted, self._devices(), self._is_over)
        if taken is None:
            raise Unreachable("Its GPUs are in use.")
        return taken

    def _is_over(self, owner: gpus.Owner) -> bool:
        return not is_held(self._folder(owner[0]).lock) and self.find(*owner) is None

    def _devices(self) -> list[str]:
        return gpus.devices(self._settings.gpus)

    def find(self, run_id: str, attempt: int) -> Handle | None:
        """An attempt that was started by a process which died before it could say so."""
        found = processes.marked(MARK, self._mark(run_id, attempt))
        if not found:
            return None
        eldest = min(found, key=lambda process: process.create_time())
        return Handle(self._target, processes.native_id(eldest.pid), run_id, attempt)

    def probe(self, handles: Sequence[Handle]) -> dict[Handle, Probe]:
        return {handle: self._probe(handle) for handle in handles}

    def _probe(self, handle: Handle) -> Probe:
        process = self._process(handle)
        if process is not None or is_held(self._folder(handle.run_id).lock):
            return Probe(Phase.RUNNING, native={"stopped": _is_stopped(process)})
        code = processes.return_code(handle.native_id)
        if code is None:  # It was another background process's, perhaps.
            code = ended.code_of(self._root, handle.native_id)
        if code is None:
            return Probe(Phase.ABSENT)
        reason = processes.in_words(code)
        use = group_of(native_name(handle.run_id, handle.attempt)).use()
        if use is not None and use.kills:
            return Probe(Phase.ENDED, signal=9, reason=str(use), cause="oom")
        if code < 0:
            return Probe(Phase.ENDED, signal=-code, reason=reason)
        return Probe(Phase.ENDED, exit_code=code, reason=reason)

    def cancel(self, handle: Handle, *, grace_s: float, force: bool = False) -> None:  # noqa: ARG002
        if self._process(handle) is not None:
            processes.end(handle.native_id, force=force)

    def sweep(self, handle: Handle) -> None:
        processes.end_marked(MARK, self._mark(handle.run_id, handle.attempt))
        group_of(native_name(handle.run_id, handle.attempt)).remove()
        self._gpus.release((handle.run_id, handle.attempt))

    def engine_log(self, handle: Handle, tail_bytes: int = LOG_TAIL) -> bytes:
        with (
            suppress(FileNotFoundError),
            (self._folder(handle.run_id).path / LOG).open("rb") as log,
        ):
            log.seek(max(0, log.seek(0, os.SEEK_END) - tail_bytes))
            return log.read()
        return b""

    def check(self) -> list[Problem]:
        if os.access(sys.executable, os.X_OK):
            return []
        return [Problem(f"The Python interpreter {sys.executable} can't be executed.")]

    def capacity(self) -> Capacity:
        cores = os.cpu_count() or 1
        slots = cores if self._settings.slots is None else self._settings.slots
        memory = psutil.virtual_memory().total
        node = Node(os.uname().nodename, "up", cores, memory, len(self._devices()))
        return Capacity(slots, [node])

    def _folder(self, run_id: str) -> RunFolder:
        return RunFolder(self._runs / run_id)

    def _process(self, handle: Handle) -> psutil.Process | None:
        """The attempt's process, None where it has ended, and where it is another folder's: this
        one was copied while it ran."""
        process = processes.find(handle.native_id)
        with suppress(psutil.Error, OSError):
            shown = process.environ().get(MARK, "") if process is not None else ""
            run_id, _, rest = shown.partition("/")
            if run_id == handle.run_id and "@" in rest and not self._is_ours(shown):
                return None
        return process

    def _is_ours(self, mark: str) -> bool:
        return mark.partition("@")[2] == self._place()

    def _mark(self, run_id: str, attempt: int) -> str:
        return f"{run_id}/{attempt}@{self._place()}"

    def _place(self) -> str:
        """Which folder this is, also where it gets another name: a copy is another one."""
        status = self._root.stat()
        return f"{status.st_dev:x}-{status.st_ino:x}"


def _is_stopped(process: psutil.Process | None) -> bool:
    with suppress(psutil.Error):
        return process is not None and process.status() == psutil.STATUS_STOPPED
    return False


def _environment(launch: Launch, mark: str) -> dict[str, str]:
    environment = clean_environment() | dict(launch.environment)
    environment[MARK] = mark
    # What the run calls by name (pip, a tool of the environment) is its interpreter's neighbour.
    folder = str(Path(launch.argv[0]).parent)
    environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", os.defpath)])
    return environment
