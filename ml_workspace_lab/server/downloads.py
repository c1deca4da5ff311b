"""Contents on their way out: streamed, whole or a range of it, and never rendered."""

import re
from collections.abc import Mapping
from typing import BinaryIO
from urllib.parse import quote

from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError

from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.server.answering import Answering
from ml_workspace_lab.server.threads import in_thread

PART = 1024 * 1024
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_TOKEN = re.compile(r"[\w.+\-]+", re.ASCII)
"""Names that need no spelling out in a header."""
NEVER_RENDERED = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


class RangeNotSatisfiable(InvalidInput):
    """No byte of the content lies in the range."""

    status = 416


async def send(handler: Answering, content: Content, headers: Mapping[str, str]) -> None:
    """Answer with the content or the range that is asked for. It was uploaded by somebody, so it
    is handed out to be kept, whatever it claims to be; `headers` may tell its type and name."""
    with content.stream as stream:
        wanted = None
        if stream.seekable():
            handler.set_header("Accept-Ranges", "bytes")
            handler.error_headers["Content-Range"] = f"bytes */{content.size}"
            wanted = byte_range(handler.request.headers, content.size)
        first, end = wanted or (0, content.size)
        described = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f"attachment; {_named(content.filename)}",
            "Content-Length": str(end - first),
            **headers,
            **NEVER_RENDERED,
        }
        for header, value in described.items():
            handler.set_header(header, value)
        if wanted:
            handler.set_status(206)
            handler.set_header("Content-Range", f"bytes {first}-{end - 1}/{content.size}")
            await in_thread(stream.seek, first)
        await _send_bytes(handler, stream, end - first)


def _named(filename: str) -> str:
    if _TOKEN.fullmatch(filename):
        return f"filename={filename}"
    return f"filename*=UTF-8''{quote(filename, safe='')}"


async def _send_bytes(handler: Answering, stream: BinaryIO, length: int) -> None:
    try:
        while length and (part := await in_thread(stream.read, min(PART, length))):
            length -= len(part)
            handler.write(part)
            await handler.flush()
    except StreamClosedError:
        return  # The client has left, which is its right.
    handler.finish()


def byte_range(headers: HTTPHeaders, size: int) -> tuple[int, int] | None:
    """The first byte that is wanted and the one after the last; None for all of it.

    Several ranges, and a range on a condition, are answered with the whole, as HTTP allows.
    Raises RangeNotSatisfiable.
    """
    match = RANGE.fullmatch(headers.get("Range", "").strip().lower())
    if match is None or "If-Range" in headers:
        return None
    start, last = match[1], match[2]
    if not (start or last) or (start and last and int(last) < int(start)):
        return None
    if start:
        first, end = int(start), min(int(last or size) + 1, size)
    else:
        first, end = max(size - int(last), 0), size
    if first >= end:
        raise RangeNotSatisfiable(f"Range: the content has {size} bytes.", field="Range")
    return first, end
