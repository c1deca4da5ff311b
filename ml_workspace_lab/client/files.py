"""Paths of this machine as users give them: looked at without surprises, shown in few words."""

from pathlib import Path

SHOWN = 80


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


def shown(path: str | Path) -> str:
    """The path in quotes, the end left out where it is long."""
    text = str(path)
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
