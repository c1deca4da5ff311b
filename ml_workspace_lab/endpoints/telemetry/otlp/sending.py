"""Sending to a collector: one connection that is kept, and what its answers mean."""

import gzip
import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from ml_workspace_lab._version import __version__
from ml_workspace_lab.endpoints.telemetry.otlp.settings import Target

MOST_ANSWER = 64 * 1024
MAY_COME_AGAIN = (429, 502, 503, 504)
MOST_WAIT = 60.0


class NotSent(Exception):
    """The collector did not take it; a later attempt may do better where it says `again`, at the
    earliest after so many seconds as it has asked for."""

    def __init__(self, message: str, *, again: bool, after: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        self.after = after


@dataclass
class Partial:
    """How many of what was sent the collector has rejected."""

    rejected: int = 0
    message: str = ""


class _Success(msgspec.Struct):
    rejectedSpans: int | str = 0  # noqa: N815 - the protocol's name
    rejectedDataPoints: int | str = 0  # noqa: N815
    errorMessage: str = ""  # noqa: N815


class _Answer(msgspec.Struct):
    partialSuccess: _Success = msgspec.field(default_factory=_Success)  # noqa: N815


class Sender:
    """Sends what is meant for one address."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._parts = urlsplit(target.url)
        self._connection: http.client.HTTPConnection | None = None
        self.shown = f"{self._parts.scheme}://{self._parts.hostname}"
        """The address as logs may have it."""

    def send(self, body: bytes) -> Partial:
        """Have a request taken. Raises NotSent."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"OTel-OTLP-Exporter-ml-workspace-lab/{__version__}",
            **self._target.headers,
        }
        if self._target.is_compressed:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        was_kept = self._connection is not None
        try:
            try:
                response, answer = self._exchange(body, headers)
            except (OSError, http.client.HTTPException):
                self.close()
                if not was_kept:
                    raise
                # The other side may have closed what nothing went over for a while.
                response, answer = self._exchange(body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            why = f"{type(error).__name__}: {error}"
            raise NotSent(f"{self.shown}: {why}", again=True) from None
        except ValueError:
            self.close()
            # What it is may be a secret.
            raise NotSent("a header field can't be sent", again=False) from None
        if response.will_close or len(answer) == MOST_ANSWER:
            self.close()
        if response.status >= 300:
            raise NotSent(
                f"{self.shown} answers {response.status}",
                again=response.status in MAY_COME_AGAIN,
                after=_seconds(response.headers.get("Retry-After")),
            )
        return _partial(answer)

    def _exchange(
        self, body: bytes, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connected()
        connection.request("POST", self._parts.path or "/", body, headers)
        response = connection.getresponse()
        return response, response.read(MOST_ANSWER)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPConnection:
        """A kept connection, or one that is about to be made."""
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            if self._parts.scheme == "https":
                context = ssl.create_default_context(cafile=self._target.certificate)
                self._connection = http.client.HTTPSConnection(
                    host, port, timeout=self._target.timeout, context=context
                )
            else:
                self._connection = http.client.HTTPConnection(
                    host, port, timeout=self._target.timeout
                )
        return self._connection


def _partial(answer: bytes) -> Partial:
    try:
        found = msgspec.json.decode(answer or b"{}", type=_Answer).partialSuccess
        rejected = int(found.rejectedSpans) + int(found.rejectedDataPoints)
    except ValueError:  # It has taken it, whatever it says.
        return Partial()
    return Partial(rejected, found.errorMessage)


def _seconds(text: str | None) -> float:
    found = float(text) if text is not None and text.isascii() and text.isdecimal() else 0.0
    return min(found, MOST_WAIT)
