"""Names of files as they are on a disk, which are bytes, and as a snapshot shows them."""

import os
import re

from ml_workspace_lab.errors import InvalidInput, WorkspaceError
from ml_workspace_lab.storage.paths import relative

_PLAIN = re.compile(r"[ -\[\]-~]{1,1024}")
_ODD = re.compile(r"[\x00-\x1f\x7f\\%]|[^\x00-\x7f]")


def shown(path: str) -> tuple[str, str]:
    """A path below the root as `os` gives it: the text that shows it, and its bytes in hex where
    that text is another. Raises InvalidInput where it is too long."""
    if _PLAIN.fullmatch(path) and path[1:2] != ":":
        return path, ""
    try:
        if relative(path) == path:
            return path, ""
    except WorkspaceError:
        pass
    text = _ODD.sub(_escaped, path)
    if text[1:2] == ":":  # not a drive's letter
        text = f"{text[0]}%3A{text[2:]}"
    return relative(text), os.fsencode(path).hex()


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in os.fsencode(match[0]))


def on_disk(path: str, raw: str) -> bytes:
    """The bytes of a path of a snapshot that was checked. Raises InvalidInput where they could lead
    out of it, or are not what `path` shows."""
    if not raw:
        return os.fsencode(path)
    try:
        found = bytes.fromhex(raw)
        name = os.fsdecode(found)
    except ValueError:
        raise InvalidInput("raw: is no hex.", field="files.raw") from None
    parts = found.split(b"/")
    if b"\0" in found or any(p in (b"", b".", b"..") or len(p) > 255 for p in parts):
        raise InvalidInput(f"raw: {path!r} leads out of its folder.", field="files.raw")
    if shown(name) != (path, raw):
        raise InvalidInput(f"raw: is not what {path!r} shows.", field="files.raw")
    return found
