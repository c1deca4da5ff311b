"""Paths of this machine as users give them, looked at and written to without surprises."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_workspace_lab.api.types import Content


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


def save(content: "Content", target: Path) -> None:
    """Write a content to a file: all of it, or what was there before stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{os.urandom(6).hex()}.part")
    try:
        with partial.open("xb") as file:
            for part in content.chunks():
                file.write(part)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
