"""Files that are whole or absent, and locks that end with their holder."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage.database import full_disk


@contextmanager
def disk_errors() -> Iterator[None]:
    """A full disk as StorageFull, one that takes no writes as Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full_disk() from error
        if error.errno in (errno.EROFS, errno.EIO):
            raise Unavailable(
                f"The disk that holds the workspace can't be written: {error.strerror}.",
                hint="Check the disk, and that it is mounted for writing.",
            ) from error
        raise


def write_atomic(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Put `content` at `path` so that a reader sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    with disk_errors():
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_held: set[int] = set()


def _forget_after_fork() -> None:
    # A child's copy of a lock would outlive the parent's hold on it. Closing the copy leaves the
    # parent's lock in place.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


class FileLock:
    """A lock that the kernel takes back when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False where another process (or another lock object) holds it."""
        with disk_errors():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = _try_lock(self.path, os.O_RDWR | os.O_CREAT)
        if descriptor is None:
            return False
        self._descriptor = descriptor
        _held.add(descriptor)
        return True

    def share(self) -> int:
        """A descriptor by which another process holds it, too, until each has let go of it."""
        assert self._descriptor is not None
        return os.dup(self._descriptor)

    def take_back(self) -> None:
        """Release it, whoever shares it."""
        if self._descriptor in _held:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.release()

    def release(self) -> None:
        if self._descriptor in _held:
            _held.discard(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock at `path`."""
    try:
        descriptor = _try_lock(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def try_flock(descriptor: int, kind: int) -> bool:
    """Lock an open file, `LOCK_EX` or `LOCK_SH`; False where another holder is in the way. Raises
    Unavailable where the file system has no locks."""
    try:
        flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def flock(descriptor: int, kind: int) -> None:
    """Lock an open file, waiting for other holders. Raises Unavailable where the file system has no
    locks."""
    try:
        fcntl.flock(descriptor, kind)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise Unavailable(
                f"The file system that holds the workspace has no locks: {error.strerror}.",
                hint="Keep the folder on one that has (flock): a local disk, NFS 4, Lustre mounted"
                " with `flock`.",
            ) from error
        raise


def _try_lock(path: Path, flags: int) -> int | None:
    """An open descriptor that holds the lock, None where another one does."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    taken = False
    try:
        taken = try_flock(descriptor, fcntl.LOCK_EX)
    finally:
        if not taken:
            os.close(descriptor)
    return descriptor if taken else None
