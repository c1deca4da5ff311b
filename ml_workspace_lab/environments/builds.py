"""The cache of built environments: found by key, published whole, used by many, removed by none
who might still need them.

    KEY             a link to the build that is used, which appears when it is whole
    KEY.xxxxxxxx/   a build in its place for ever: the environment, `build.json`, `build.log`
    KEY.lock        held while somebody builds
    KEY.failed      what the last failed build said

A build is never moved, since scripts in it name their interpreter by its path; publishing it is
one rename of a link.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from ml_workspace_lab.errors import Denied
from ml_workspace_lab.storage.files import FileLock, disk_errors, is_held, write_atomic

VARIABLE = "ML_WORKSPACE_ENVIRONMENTS"
"""Names a folder that several workspaces of one user share."""


class BuildFacts(Struct, frozen=True):
    """What is known of a build; `created` is in milliseconds since 1970-01-01 UTC."""

    key: str
    created: int
    seconds: float
    bytes: int
    python_version: str
    tool: str
    packages: int


class Build:
    """One built environment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def key(self) -> str:
        return self.path.name.partition(".")[0]

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def facts(self) -> BuildFacts:
        return msgspec.json.decode((self.path / "build.json").read_bytes(), type=BuildFacts)

    @property
    def used(self) -> int:
        """When somebody began with it last, in milliseconds."""
        return (self.path / "used").stat().st_mtime_ns // 1_000_000

    def touch(self) -> None:
        """Note that somebody begins with it now, so that it isn't removed under them."""
        with suppress(OSError):
            (self.path / "used").touch()

    def hold(self) -> bool:
        """Keep it from being removed for as long as this process lives; False where it is being
        removed."""
        try:
            descriptor = os.open(self.path / "used", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # One that was removed between the two lines has lost its name.
            return os.fstat(descriptor).st_nlink > 0
        except BlockingIOError:
            os.close(descriptor)
            return False

    def is_held(self) -> bool:
        return is_held(self.path / "used")

    def remove(self) -> bool:
        """Remove it, unless somebody holds it. The link to it must have gone before."""
        used = self.path / "used"
        try:
            descriptor = os.open(used, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            descriptor = None  # It was never published.
        try:
            if descriptor is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                used.unlink()
            shutil.rmtree(self.path, ignore_errors=True)
        except BlockingIOError:
            return False
        finally:
            if descriptor is not None:
                os.close(descriptor)
        return not self.path.exists()


class Builds:
    """The builds in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, root: Path) -> "Builds":
        """Those of the workspace in `root`, or those that several share."""
        shared = os.environ.get(VARIABLE)
        return cls(Path(shared).absolute() if shared else root / "environments")

    def find(self, key: str) -> Build | None:
        """The build of that key, where there is one that works."""
        try:
            build = Build(self.folder / (self.folder / key).readlink())
        except OSError:
            return None
        return build if os.access(build.python, os.X_OK) else None

    def prepare(self) -> None:
        """See to it that the folder is there, and that nobody else puts programs into it."""
        with disk_errors():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.folder.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise Denied(
                f"Others could put programs into {self.folder}, the folder of built environments.",
                hint="It must be your own, and writable by you alone.",
            )

    def lock(self, key: str) -> FileLock:
        return FileLock(self.folder / f"{key}.lock")

    def begin(self, key: str) -> Build:
        """A place for a new build. Remains of earlier ones that nobody holds are removed; whoever
        calls this has the lock."""
        self.sweep(key)
        build = Build(self.folder / f"{key}.{secrets.token_hex(4)}")
        with disk_errors():
            build.path.mkdir(mode=0o700)
        return build

    def publish(self, build: Build, facts: BuildFacts) -> None:
        """Make it the build of its key, at once and whole."""
        write_atomic(build.path / "build.json", msgspec.json.encode(facts))
        with disk_errors():
            (build.path / "used").touch()
        self.link(build)
        self.forgive(build.key)

    def fail(self, key: str, reason: str) -> None:
        """Keep what a failed build said, for those who ask later."""
        with suppress(Exception):  # a full disk is among the reasons for a failure
            write_atomic(self.folder / f"{key}.failed", reason.encode("utf-8", "replace"))

    def forgive(self, key: str) -> None:
        """Forget a failure."""
        (self.folder / f"{key}.failed").unlink(missing_ok=True)

    def failure(self, key: str) -> str:
        with suppress(OSError):
            return (self.folder / f"{key}.failed").read_text(encoding="utf-8")
        return ""

    def sweep(self, key: str) -> tuple[int, int]:
        """Remove builds of a key that were never published, or not any more, and that nobody
        holds; how many, and their bytes. Whoever calls this has the key's lock."""
        current = self.find(key)
        count, freed = 0, 0
        for build in self._of(key):
            if current is None or build.path != current.path:
                size = size_of(build.path)[1]
                if build.remove():
                    count, freed = count + 1, freed + size
        return count, freed

    def newest_log(self, key: str) -> Path | None:
        """The log of the build that goes on, or of the last one."""
        logs = [build.path / "build.log" for build in self._of(key)]
        there = [log for log in logs if log.exists()]
        return max(there, key=lambda log: log.stat().st_mtime_ns, default=None)

    def all(self) -> list[Build]:
        """Every build that is published."""
        found = (self.find(key) for key in self.known_keys())
        return [build for build in found if build is not None]

    def known_keys(self) -> list[str]:
        """The keys of which there is anything at all."""
        return sorted({path.name.partition(".")[0] for path in self._entries()} - {""})

    def withdraw(self, build: Build) -> None:
        """Let nobody begin with it any more."""
        with suppress(FileNotFoundError):
            (self.folder / build.key).unlink()

    def link(self, build: Build) -> None:
        """Let everybody begin with it."""
        link = self.folder / f".{build.path.name}.link"
        with disk_errors():
            link.unlink(missing_ok=True)
            link.symlink_to(build.path.name)
            link.replace(self.folder / build.key)

    def _of(self, key: str) -> list[Build]:
        found = (path for path in self._entries() if path.name.startswith(f"{key}."))
        return [Build(path) for path in found if path.is_dir() and not path.is_symlink()]

    def _entries(self) -> Iterator[Path]:
        try:
            yield from sorted(self.folder.iterdir())
        except FileNotFoundError:
            return


def size_of(path: Path) -> tuple[int, int]:
    """Bytes that a folder takes up on the disk, and those that its removal gives back: uv's cache
    and other builds may have the same files under other names."""
    whole, alone = 0, 0
    seen: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                status = os.lstat(Path(folder) / name)
                number = (status.st_dev, status.st_ino)
                seen[number] = seen.get(number, 0) + 1
                if seen[number] == 1:
                    whole += status.st_blocks * 512
                if seen[number] == status.st_nlink:
                    alone += status.st_blocks * 512
    return whole, alone
