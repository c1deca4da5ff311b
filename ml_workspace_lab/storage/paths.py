"""Relative paths from outside: checked once, whole, before they name anything."""

import re
import unicodedata
from pathlib import Path

from ml_workspace_lab.errors import InvalidInput, shown

_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_PART = r"(?!\.\.?(?:/|$))[ -.0-\[\]-~]{1,255}"
_PLAIN = re.compile(rf"(?![A-Za-z]:){_PART}(?:/{_PART})*")
"""ASCII alone, and nothing that is refused: by far the most paths."""
MAX_PART = 255
MAX_PATH = 1024


def relative(path: str, field: str = "path") -> str:
    """`path` in normal form (NFC, `/` between parts).

    Raises InvalidInput on what is empty, absolute, leads upwards, has a drive letter, a backslash
    or a control character, or is too long. A `%` is an ordinary character: nothing is decoded here.
    """
    if len(path) <= MAX_PATH and _PLAIN.fullmatch(path):
        return path
    path = unicodedata.normalize("NFC", path)
    parts = path.split("/")
    if not path:
        reason = "is empty"
    elif path.startswith("/") or _DRIVE.match(path):
        reason = "is absolute"
    elif _CONTROL.search(path):
        reason = "holds a control character"
    elif "\\" in path:
        reason = "holds a backslash"
    elif any(part in ("", ".", "..") for part in parts):
        reason = "holds an empty, `.` or `..` part"
    elif any(len(part.encode()) > MAX_PART for part in parts):
        reason = f"has a part of more than {MAX_PART} bytes"
    elif len(path.encode()) > MAX_PATH:
        reason = f"is longer than {MAX_PATH} bytes"
    else:
        return path
    raise InvalidInput(
        f"The path {shown(path)} {reason}.",
        field=field,
        hint="Give a relative path with `/` between its parts.",
    )


def below(root: Path, path: str, field: str = "path") -> Path:
    """Where the relative `path` lies below `root`, without following links out of it."""
    target = root / relative(path, field)
    if not target.resolve().is_relative_to(root.resolve()):
        raise InvalidInput(f"The path {path!r} leads out of its folder.", field=field)
    return target
