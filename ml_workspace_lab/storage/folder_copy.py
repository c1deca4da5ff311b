"""Files of a workspace's folder into another folder, while processes go on with them."""

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab.storage.blobs import BLOBS
from ml_workspace_lab.storage.files import disk_errors, sync_folder

_Put = Callable[[Path, Path], None]


def copy_blobs(source: Path, target: Path) -> None:
    """Have all contents in both folders. A file that never changes needs no copy on one disk."""
    _copy_tree(source / BLOBS, target / BLOBS, _link)


def copy_work(source: Path, target: Path) -> None:
    """Copy what runs, endpoints and users of compute instances have written so far."""
    for name in ("runs", "endpoints", "instances"):
        _copy_tree(source / name, target / name, _copy)


def _copy_tree(source: Path, target: Path, put: _Put) -> None:
    """Plain files and links; what goes away meanwhile is left out."""
    for folder, _, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        with disk_errors():
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Names of metrics after the records: one is written before the first that uses it.
            for name in sorted(names, key=lambda name: name.endswith(".keys")):
                with suppress(FileNotFoundError):
                    put(Path(folder) / name, place / name)
            sync_folder(place)


def _copy(source: Path, target: Path) -> None:
    mode = source.lstat().st_mode
    if stat.S_ISLNK(mode) or stat.S_ISREG(mode):
        shutil.copy2(source, target, follow_symlinks=False)


def _link(source: Path, target: Path) -> None:
    if target.exists() or source.name.startswith("."):  # a dot: not yet whole
        return
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        _copy(source, target)
