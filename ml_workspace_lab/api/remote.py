"""A workspace behind a server, over HTTP."""

import http.client
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any, BinaryIO, cast
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import InvalidInput, Unavailable, WorkspaceError, from_wire
from ml_workspace_lab.storage import spool
from ml_workspace_lab.storage.journal import JournalWriter

API_PATH = "/ml-workspace-lab/api/v1"
TIMEOUT = 60.0
HURRY_SECONDS = 2.0
AWAY_SECONDS = 30.0
"""How long who is in a hurry doesn't ask a server that did not answer; the first answer ends it."""
HEARTBEAT_SECONDS = 5.0
FIRST_HEARTBEAT_SECONDS = 0.05


def _encode(body: msgspec.Struct) -> bytes:
    try:
        return json.dumps(msgspec.to_builtins(body), allow_nan=False).encode()
    except ValueError:
        raise InvalidInput(
            "NaN and infinities can't be sent: JSON has no token for them.",
            hint='Write them as text ("NaN"), or log them as metrics.',
        ) from None


class RemoteConnection(Connection):
    """The services of the workspace that the Jupyter server at `url` serves."""

    def __init__(self, url: str, token: str, timeout: float = TIMEOUT) -> None:
        parts = _address(url)
        if parts is None:
            raise InvalidInput(
                f"{url!r} is not the address of a server.",
                field="url",
                hint="Give the address of a Jupyter server, such as http://127.0.0.1:8888/.",
            )
        self.url = url.rstrip("/")
        self._parts = parts
        self._base = quote(parts.path.rstrip("/"), safe="/%@:") + API_PATH
        self.token = token
        self._timeout = timeout
        self._away_until = 0.0
        self._local = threading.local()

    def call(
        self,
        service: str,  # noqa: ARG002 - the path says it
        operation: Operation,
        arguments: msgspec.Struct,
        body: msgspec.Struct | None,
        content: BinaryIO | None,
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        data: Any = None
        if body is not None:
            data = _encode(body)
            headers["Content-Type"] = "application/json"
        elif content is not None:
            data = content
            headers["Content-Type"] = "application/octet-stream"
            headers["Content-Length"] = str(_remaining(content))
        response = self._send(operation, path_of(operation, arguments), data, headers)
        if response.status >= 400:
            raise _error(response.status, self._whole(response))
        if operation.downloads:
            return _content(response)
        raw = self._whole(response)
        try:
            value = json.loads(raw)
        except ValueError as error:  # Its headers were cut, so that nothing says how long it is.
            self.close()
            raise self._unreachable(error) from error
        return value if operation.result is Any else convert(value, operation.result)

    shares_journals = False

    def metric_writer(self, run_id: str) -> JournalWriter:
        writer = JournalWriter(spool.begin(self.url, run_id))
        try:
            with self._hurry():
                spool.announce(self, run_id, writer.name)
        except Unavailable:
            pass  # Logging doesn't wait for it: the first records tell of their journal, too.
        except WorkspaceError:
            self.forget(writer)
            raise
        return writer

    def last_step(self, run_id: str, name: str, own: str | None) -> int:  # noqa: ARG002 - it is not there
        with self._hurry():
            known = self.runs.get(run_id).metrics.get(name)
        return known.last_step if known else -1

    def ship(self, run_id: str, writer: JournalWriter, kept: int) -> int:
        return spool.send(self, run_id, writer.folder, writer.name, kept)

    def sweep(self, run_id: str, writer: JournalWriter) -> None:
        # Asked once more, since the workspace may have been put back to an earlier state meanwhile.
        kept = spool.announce(self, run_id, writer.name)
        spool.send(self, run_id, writer.folder, writer.name, kept)
        spool.sweep(self, run_id, writer.folder)

    def forget(self, writer: JournalWriter) -> None:
        writer.remove()
        spool.tidy(writer.folder)

    def watch(self) -> None:
        """Nothing: heartbeats tell the server."""

    def own(self, run_id: str) -> "Heartbeat":
        return Heartbeat(self, run_id)

    def _send(
        self, operation: Operation, path: str, data: Any, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if self._is_in_a_hurry and time.monotonic() < self._away_until:
            raise Unavailable(f"The server at {self.url} did not answer a moment ago.")
        start = data.tell() if operation.uploads else 0
        for attempt in (1, 2):
            connection = self._connection(fresh=operation.downloads)
            try:
                if operation.uploads:
                    data.seek(start)
                connection.request(operation.method, self._base + path, data, dict(headers))
                response = connection.getresponse()
                self._away_until = 0.0
                return response
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                # A kept connection may have been closed meanwhile; reads and PUTs can be repeated.
                self.close()
                if attempt == 2 or operation.method not in ("GET", "PUT"):
                    raise self._unreachable(error) from error
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise self._unreachable(error) from error
        raise AssertionError("unreachable")

    @contextmanager
    def _hurry(self) -> Iterator[None]:
        """For this thread's calls that somebody's work waits for: they give up soon, and at once
        where the server did not answer others."""
        self._local.hurries = True
        try:
            yield
        finally:
            self._local.hurries = False

    @property
    def _is_in_a_hurry(self) -> bool:
        return getattr(self._local, "hurries", False)

    def _whole(self, response: http.client.HTTPResponse) -> bytes:
        """All of an answer. Raises Unavailable where it was cut off."""
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error

    def _connection(self, *, fresh: bool) -> http.client.HTTPConnection:
        """This thread's kept connection; a download gets its own, being read piece by piece."""
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None and kept.sock is not None and _is_readable(kept.sock):
            kept.close()  # Nothing is asked, so what there is to read is the server's good-bye.
        if kept is None or fresh:
            host, port = cast(str, self._parts.hostname), self._parts.port
            if self._parts.scheme == "https":
                context = ssl.create_default_context()
                made: http.client.HTTPConnection = http.client.HTTPSConnection(
                    host, port, timeout=self._timeout, context=context
                )
            else:
                made = http.client.HTTPConnection(host, port, timeout=self._timeout)
            if fresh:
                return made
            kept = self._local.connection = made
        kept.timeout = HURRY_SECONDS if self._is_in_a_hurry else self._timeout
        if kept.sock is not None:
            kept.sock.settimeout(kept.timeout)
        return kept

    def close(self) -> None:
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None:
            kept.close()
            self._local.connection = None

    def _unreachable(self, error: Exception) -> Unavailable:
        self._away_until = time.monotonic() + AWAY_SECONDS
        reason = "it did not answer in time" if isinstance(error, socket.timeout) else str(error)
        return Unavailable(
            f"The server at {self.url} can't be reached: {reason}.",
            hint="Check the address, and that the Jupyter server is running.",
        )


class Heartbeat:
    """Tells the server again and again that this process is at work on a run."""

    def __init__(self, connection: RemoteConnection, run_id: str) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(connection, run_id), daemon=True)
        self._thread.start()

    def release(self) -> None:
        self._over.set()

    def _beat(self, connection: RemoteConnection, run_id: str) -> None:
        # At once as soon as the run is there: a process that dies in its first seconds is missed.
        pause = FIRST_HEARTBEAT_SECONDS
        while not self._over.wait(pause):
            pause = min(2 * pause, HEARTBEAT_SECONDS)
            # A server that is away for a while, or a run that has ended, is no fault of the work.
            with suppress(WorkspaceError):
                connection.runs.heartbeat(run_id)
                pause = HEARTBEAT_SECONDS


def _is_readable(connected: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))


def _address(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if sound else None


def path_of(operation: Operation, arguments: msgspec.Struct) -> str:
    """The operation's path with its arguments, and the query."""
    values = msgspec.to_builtins(arguments)
    # A last part called `path` may hold slashes; any other argument is one part of the URL.
    names = {
        name: quote(str(values[name]), safe="/" if name == "path" else "")
        for name in operation.path_names
    }
    query = {
        name: str(values[name]) for name in operation.query_names if values.get(name) is not None
    }
    return operation.path.format(**names) + (f"?{urlencode(query)}" if query else "")


def _remaining(content: BinaryIO) -> int:
    here = content.tell()
    end = content.seek(0, 2)
    content.seek(here)
    return end - here


def _content(response: http.client.HTTPResponse) -> Content:
    return Content(
        stream=cast(BinaryIO, response),
        size=int(response.headers.get("Content-Length", "0")),
        media_type=response.headers.get("X-Media-Type", "application/octet-stream"),
        filename=response.headers.get_filename() or "content",
    )


def _error(status: int, raw: bytes) -> WorkspaceError:
    try:
        body = json.load(BytesIO(raw))
        return from_wire(
            body["error_code"],
            body["message"],
            body.get("field"),
            body.get("hint"),
            body.get("request_id"),
        )
    except (ValueError, KeyError, TypeError):
        return Unavailable(
            f"The server answered {status}, not as a workspace does.",
            hint="Check the address: is the ml_workspace_lab extension enabled there?",
        )
