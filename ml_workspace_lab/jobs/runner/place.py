"""Where a runner on another machine keeps one attempt: a folder of its own below the spool."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from ml_workspace_lab.storage import spool
from ml_workspace_lab.storage.files import FileLock, is_held, write_atomic
from ml_workspace_lab.storage.storage import RunFolder

FOLDER = "attempts"
_ABOUT = "attempt.json"


class About(Struct, frozen=True):
    """Whose attempt it is."""

    url: str
    run_id: str
    attempt: int


class Place(RunFolder):
    """What an attempt writes on this machine. Its lock says whether its runner lives."""

    @classmethod
    def make(cls, about: About) -> "Place":
        name = hashlib.sha256(about.url.encode()).hexdigest()[:8]
        place = cls(folder() / f"{about.run_id}-{about.attempt}-{name}")
        place.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(place.path / _ABOUT, msgspec.json.encode(about))
        return place

    @property
    def about(self) -> About:
        return msgspec.json.decode((self.path / _ABOUT).read_bytes(), type=About)

    @property
    def is_known(self) -> bool:
        """Whether it is there, and not its lock alone."""
        return (self.path / _ABOUT).exists()

    @property
    def events(self) -> Path:
        return self.path / "events"

    @property
    def token(self) -> Path:
        """The attempt's own token, for its owner alone to read."""
        return self.path / "token"

    @property
    def claim(self) -> Path:
        """What the workspace said of the run when the attempt was claimed."""
        return self.path / "claim.json"

    @property
    def spools(self) -> Path:
        """Metrics that the run's processes log, until the workspace has them."""
        return self.path / "metrics"

    @property
    def refused(self) -> Path:
        """Why the workspace takes nothing more of it, where that is so."""
        return self.path / "refused.txt"

    @property
    def left(self) -> Path:
        """What was in the pipe of its output when its runner was killed."""
        return self.path / "output.left"

    def acquire(self) -> FileLock | None:
        """The lock, None where another process has it."""
        lock = FileLock(self.lock)
        return lock if lock.acquire() else None


def folder() -> Path:
    """Where all of them are."""
    return spool.root() / FOLDER


def left(there: Path | None = None) -> Iterator[Place]:
    """The attempts on this machine whose runners have ended before all was told."""
    for about in sorted((there or folder()).glob(f"*/{_ABOUT}")):
        place = Place(about.parent)
        if not is_held(place.lock) and os.access(place.token, os.R_OK):
            yield place
