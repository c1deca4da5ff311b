"""Logs that grow: read in parts by byte offset, whole characters at a time."""

from pathlib import Path

from ml_workspace_lab.api.types import LogChunk


def read_log(path: Path, offset: int, limit: int, *, ended: bool) -> LogChunk:
    """At most `limit` bytes from `offset` on; what is not UTF-8 shows as U+FFFD.

    While the log grows a part ends at a whole character. `ended` must have been true before this
    is called for the part to count as complete.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            offset = min(offset, size)
            file.seek(offset)
            raw = file.read(limit)
    except FileNotFoundError:
        size, offset, raw = 0, 0, b""
    if not (ended and offset + len(raw) >= size):
        raw = _whole_characters(raw)
    following = offset + len(raw)
    return LogChunk(
        offset=offset,
        next=following,
        size=size,
        text=raw.decode("utf-8", "replace"),
        complete=ended and following >= size,
    )


def _whole_characters(raw: bytes) -> bytes:
    """Without the first bytes of a character whose last ones are still to come."""
    for back in range(1, min(4, len(raw)) + 1):
        byte = raw[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return raw[:-back] if length > back else raw
    return raw
