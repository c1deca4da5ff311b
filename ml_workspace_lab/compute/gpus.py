"""Which GPUs of this machine a run has for itself.

What is taken is written down in the workspace's folder, for whoever else starts runs there or takes
over after a crash.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote

from ml_workspace_lab.storage.files import FileLock

VISIBLE = "CUDA_VISIBLE_DEVICES"
_QUERY = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")
_SECONDS = 20.0
STARTING_SECONDS = 60.0
"""So long an attempt that has taken devices may not have begun."""

Owner = tuple[str, int]
"""A run and its attempt."""


def devices(count: int | None = None) -> list[str]:
    """The names of this machine's GPUs as CUDA takes them: those that this process may see, the
    first `count` of them where that is given."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        found = [name.strip() for name in visible.split(",") if name.strip()]
        return found if count is None else found[:count]
    return list(_found()) if count is None else [str(number) for number in range(count)]


@cache
def _found() -> tuple[str, ...]:
    """Asked once: a card comes with a restart."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(_QUERY, capture_output=True, text=True, check=True, timeout=_SECONDS)
        return tuple(line.strip() for line in done.stdout.splitlines() if line.strip().isdigit())
    return ()


def variables(taken: Sequence[str]) -> dict[str, str]:
    """What tells CUDA of them, in the order in which nvidia-smi counts."""
    return {VISIBLE: ",".join(taken), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if taken else {}


class Assignments:
    """The devices that are taken, in a folder of the workspace: a link for each says by whom."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(
        self, owner: Owner, wanted: int, there: Sequence[str], is_over: Callable[[Owner], bool]
    ) -> list[str] | None:
        """So many devices for an attempt: those that it has already, or others. None, and nothing
        is taken, where too few are free; those of an attempt that is over are."""
        lock = FileLock(self._folder / ".lock")
        if not lock.acquire():
            return None
        try:
            taken = [name for name in there if self._owner(name) == owner]
            for name in there:
                if len(taken) < wanted and name not in taken and self._is_free(name, is_over):
                    taken.append(name)
            if len(taken) < wanted:
                return None
            for name in taken:
                if self._owner(name) != owner:
                    self._link(name).unlink(missing_ok=True)
                    self._link(name).symlink_to(f"{owner[0]}/{owner[1]}")
            return taken
        finally:
            lock.release()

    def release(self, owner: Owner) -> None:
        """Nothing of the attempt goes on: its devices are free."""
        if self._folder.exists():
            for link in self._folder.iterdir():
                if link.is_symlink() and _owner(link) == owner:
                    link.unlink(missing_ok=True)

    def _is_free(self, name: str, is_over: Callable[[Owner], bool]) -> bool:
        owner = self._owner(name)
        if owner is None:
            return True
        age = time.time() - self._link(name).lstat().st_mtime
        return age > STARTING_SECONDS and is_over(owner)

    def _owner(self, name: str) -> Owner | None:
        return _owner(self._link(name))

    def _link(self, name: str) -> Path:
        return self._folder / quote(name, safe="")


def _owner(link: Path) -> Owner | None:
    try:
        run_id, _, attempt = os.readlink(link).partition("/")  # noqa: PTH115 - it leads nowhere
    except FileNotFoundError:
        return None
    return run_id, int(attempt)
