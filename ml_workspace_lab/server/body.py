"""A request's body as it comes: kept up to its limit, thrown away beyond."""

import tempfile
from typing import BinaryIO, cast

from tornado.httputil import HTTPServerRequest

from ml_workspace_lab.errors import StorageFull, TooLarge

IN_MEMORY = 1024 * 1024
DISCARDED = 64 * 1024 * 1024


class RequestBody:
    """The bytes of one request, on disk where they are many. Nothing is kept before `expect`."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - close() does
        self._size = 0
        self._limit = 0
        self._failure: OSError | None = None

    def expect(self, limit: int, request: HTTPServerRequest) -> None:
        """Keep up to `limit` bytes. Raises TooLarge where far more are announced; a body that is a
        little too large is let come and thrown away, since a client that is still sending would
        not see the answer."""
        self._limit = limit
        longest = limit + DISCARDED
        request.connection.set_max_body_size(longest)  # type: ignore[union-attr]
        length = request.headers.get("Content-Length", "0")
        if length.isdecimal() and int(length) > longest:
            raise self._too_large()

    def receive(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit or self._failure is not None:
            return
        try:
            self._file.write(chunk)
        except OSError as error:
            self._failure = error

    def content(self) -> BinaryIO:
        """All of it, from its beginning. Raises TooLarge, and StorageFull where it had no room."""
        if self._size > self._limit:
            raise self._too_large()
        if self._failure is not None:
            raise StorageFull(
                "There was no room to keep the body; nothing was changed.",
                hint="Free some space for temporary files at the server and try again.",
            ) from self._failure
        self._file.seek(0)
        return cast(BinaryIO, self._file)

    def close(self) -> None:
        self._file.close()

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The body is over this path's limit of {self._limit / 1024**2:g} MiB.",
            hint="Send it in parts, or as an artifact.",
        )


def is_heard_out(request: HTTPServerRequest) -> bool:
    """Whether all of a request is read before it is refused: the client sends it without waiting
    for a word from here, and its method is one that is answered."""
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
    return request.method in methods and "Expect" not in request.headers
