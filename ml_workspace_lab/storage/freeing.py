"""Files that go, and what the disk gets back by that."""

import stat
from pathlib import Path

from msgspec import Struct


class Freed(Struct):
    """Files that are gone, and the bytes that the disk has got back by that."""

    files: int = 0
    bytes: int = 0


def is_older(path: Path, moment: int) -> bool:
    """Whether what is there was there at a moment (ms) already; also where nothing is."""
    try:
        return path.lstat().st_mtime_ns // 1_000_000 <= moment
    except FileNotFoundError:
        return True


def remove(path: Path, freed: Freed) -> None:
    """Remove a file, or a folder with all that is in it, without following links."""
    left = [path]
    while left:
        try:
            status = left[-1].lstat()
            if stat.S_ISDIR(status.st_mode):
                left[-1].chmod(0o700)
                below = list(left[-1].iterdir())
                if below:
                    left += below
                    continue
                left[-1].rmdir()
            else:
                left[-1].unlink()
                freed.files += 1
                freed.bytes += status.st_blocks * 512 if status.st_nlink == 1 else 0
        except FileNotFoundError:
            pass
        left.pop()
