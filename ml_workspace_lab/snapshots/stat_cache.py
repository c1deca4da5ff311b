"""What was found of a folder's files the last time, so that none is read that hasn't changed.

A file is taken to be as it was where its size, both times and its inode are. One that was changed
at about the moment when it was read is not remembered: it might change again within one tick of the
disk's clock, and look the same.
"""

import hashlib
import os
import time
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.storage.files import write_atomic

VERSION = 2
VARIABLE = "ML_WORKSPACE_CACHE"
"""Names the folder for caches (default: below XDG_CACHE_HOME)."""
_TICK_NS = 100_000_000
_COARSE_TICK_NS = 2_500_000_000
_KEPT_DAYS = 90


class FileState(Struct, array_like=True, frozen=True, gc=False):
    """A file as it was read: what `stat` told, and the digest of what it held."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    digest: str

    def is_of(self, status: os.stat_result) -> bool:
        return (
            self.size == status.st_size
            and self.mtime_ns == status.st_mtime_ns
            and self.ctime_ns == status.st_ctime_ns
            and self.inode == status.st_ino
        )


class FolderState(Struct, array_like=True):
    """A folder: which names its rules (of that key) leave out and why, and its other files."""

    key: str = ""
    verdicts: dict[str, str] = field(default_factory=dict)
    files: dict[str, FileState] = field(default_factory=dict)


class StatCache(Struct, array_like=True):
    """The folders of a tree by their paths, the root's is empty."""

    version: int = VERSION
    root: str = ""
    folders: dict[str, FolderState] = field(default_factory=dict)


def is_settled(status: os.stat_result, read_ns: int) -> bool:
    """Whether a file that was read at that moment can't change any more and look the same."""
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    # Some disks keep times in whole seconds, or two.
    tick = _COARSE_TICK_NS if status.st_mtime_ns % 1_000_000_000 == 0 else _TICK_NS
    return newest + tick < read_ns


def load(root: Path) -> StatCache:
    """What is known of the tree; nothing where the cache is lost or damaged."""
    with suppress(OSError, msgspec.MsgspecError, ValueError):
        raw = _file(root).read_bytes()
        if zlib.crc32(raw[4:]).to_bytes(4, "big") == raw[:4]:
            found = msgspec.msgpack.decode(raw[4:], type=StatCache)
            if found.version == VERSION and found.root == str(root):
                return found
    return StatCache(root=str(root))


def save(root: Path, cache: StatCache) -> None:
    """Keep it for the next time; where that can't be done, the next time takes longer."""
    # A name that is no UTF-8 can't be kept, and needn't be.
    with suppress(OSError, WorkspaceError, UnicodeError):
        raw = msgspec.msgpack.encode(cache)
        file = _file(root)
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _tidy(file.parent)
        write_atomic(file, zlib.crc32(raw).to_bytes(4, "big") + raw)


def _file(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
    if wanted := os.environ.get(VARIABLE):
        return Path(wanted) / name
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ml_workspace_lab" / "snapshots" / name


def _tidy(folder: Path) -> None:
    """Remove what wasn't used for long."""
    for file in folder.iterdir():
        if file.stat().st_mtime < time.time() - _KEPT_DAYS * 86_400:
            file.unlink(missing_ok=True)
