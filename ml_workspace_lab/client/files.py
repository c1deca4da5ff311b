"""Paths of this machine as users give them, looked at without surprises."""

from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have has none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; a name that no folder can have has none."""
    try:
        return path.is_dir()
    except OSError:
        return False
