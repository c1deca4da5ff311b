"""Processes that a supervisor keeps and that outlive it: what the two tell each other by files.

A process is alive while its lock is held, however either of them died; so another supervisor can
go on where the last one was ended.
"""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ml_workspace_lab import processes
from ml_workspace_lab.storage.files import FileLock, is_held, write_atomic

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
REASON_LIMIT = 2000


class ProcessFolder:
    """The folder of one kept process."""

    variable: ClassVar[str]
    """In the environment of the process and of all that descends from it: how they are found."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lock(self) -> Path:
        """Held by the process for as long as it lives."""
        return self.path / "lock"

    @property
    def process(self) -> Path:
        """Its native id."""
        return self.path / "process"

    @property
    def error(self) -> Path:
        """Why it could not start, in one line."""
        return self.path / "error"

    @property
    def mark(self) -> str:
        return str(self.path)

    def is_alive(self) -> bool:
        return is_held(self.lock)

    def ask_to_end(self) -> None:
        """Let it finish what it has in hand, and leave."""
        if self.process.exists():
            processes.end(self.process.read_text(), force=False)

    def end(self) -> None:
        """End it and everything that it started, at once."""
        processes.end_marked(self.variable, self.mark)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def fail(self, reason: str) -> None:
        """Say why the process could not start."""
        write_atomic(self.error, json.dumps(reason[:REASON_LIMIT]).encode())

    def read_error(self) -> str:
        try:
            found = json.loads(self.error.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""
        return str(found)


@dataclass
class Known:
    """What this supervisor knows of a process beyond what its folder says."""

    native: str | None = None
    began: float = field(default_factory=time.monotonic)
    was_ready: bool = False
    asked: float | None = None
    """Since when it has been asked to end."""
    crashes: int = 0
    not_before: float = 0.0
    sign: int | None = None
    """Its last sign of life."""
    heard: float = 0.0
    """When that was first seen (monotonic)."""

    @property
    def age(self) -> float:
        """Seconds since it began, or became ready."""
        return time.monotonic() - self.began

    def start(
        self,
        folder: ProcessFolder,
        words: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        """Start the process. Raises OSError."""
        self.began = time.monotonic()
        self.native = processes.start(
            words,
            environment={**environment, folder.variable: folder.mark},
            folder=folder.path,
            log=log,
        )

    def is_starting(self) -> bool:
        """Whether it is there, also where it has not taken its lock yet."""
        return self.native is not None and processes.find(self.native) is not None

    def has_ended(self, folder: ProcessFolder) -> bool:
        """Whether a process that is not alive was there before."""
        return self.native is not None or folder.process.exists()

    def ending(self) -> str:
        """How it ended, in words."""
        return (processes.ending(self.native) if self.native else "") or "lost"

    def crashed(self, folder: ProcessFolder, *leftovers: Path) -> None:
        """Leave nothing of a process that has ended, and wait a little longer each time."""
        folder.end()
        for file in (folder.process, folder.error, *leftovers):
            file.unlink(missing_ok=True)
        self.native = None
        self.crashes += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.crashes - 1))
        self.not_before = time.monotonic() + pause

    def may_start(self) -> bool:
        return time.monotonic() >= self.not_before


class Presence:
    """A kept process's own side: it holds the lock of its folder."""

    def __init__(self, folder: ProcessFolder, lock: FileLock) -> None:
        self._folder = folder
        self._lock = lock
        self._place = folder.lock.stat()
        write_atomic(folder.process, processes.native_id(os.getpid()).encode())

    @classmethod
    def take(cls, folder: ProcessFolder) -> "Presence | None":
        """None where another process is there already."""
        lock = FileLock(folder.lock)
        return cls(folder, lock) if lock.acquire() else None

    def is_in_place(self) -> bool:
        """Whether the folder is still the one that was started with: neither removed nor that of a
        new workspace."""
        try:
            return os.path.samestat(self._folder.lock.stat(), self._place)
        except FileNotFoundError:
            return False
