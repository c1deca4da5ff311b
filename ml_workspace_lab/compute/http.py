"""Asking an engine that speaks HTTP: one question, one answer, with the standard library alone."""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from ml_workspace_lab.compute.driver import Unreachable

TIMEOUT_SECONDS = 15.0
LARGEST = 256 << 20
"""The most that is read of an answer, against an address that is no engine's."""
_PART = 1 << 16
JSON = "application/json"
BYTES = "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace").strip()


class Engine:
    """The address of an engine. Every question raises Unreachable where there is no answer, or one
    that isn't the engine's own: from a proxy without it, a page to log in at, an unknown caller."""

    def __init__(
        self,
        url: str,
        *,
        token: Callable[[], str | None] = lambda: None,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """`token` is asked for at each question, since tokens in files are renewed; `tls` at the
        first one to an `https` address."""
        self.url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._tls = tls

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if self.url.startswith("https:"):
            try:
                handlers.append(urllib.request.HTTPSHandler(context=self._tls()))
            except (OSError, ValueError) as error:
                raise Unreachable(
                    f"The certificates for {self.url} can't be read: {error}."
                ) from error
        return urllib.request.build_opener(*handlers)

    def ask(self, method: str, path: str, body: Any = None, kind: str = JSON) -> Answer:
        """The whole answer. `body` is sent as JSON, which is called `kind`."""
        content = None if body is None else msgspec.json.encode(body)
        return self.send(method, path, content, kind)

    def send(self, method: str, path: str, content: bytes | None, kind: str = BYTES) -> Answer:
        """The whole answer. `content` is sent as it is."""
        with self._open(method, path, content, kind) as response:
            return Answer(response.status, self._read(response))

    def tail(self, path: str, size: int) -> Answer:
        """The last `size` bytes of an answer, however long it is."""
        with self._open("GET", path, None) as response:
            return Answer(response.status, self._read(response, size))

    def _open(self, method: str, path: str, content: bytes | None, kind: str = JSON) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked in the settings
            self.url + path,
            data=content,
            headers=self._headers(kind),
            method=method,
        )
        opener = self._opener
        try:
            response = opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            response = error
        except urllib.error.URLError as error:
            raise Unreachable(f"{self.url} can't be reached: {_why(error.reason)}.") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url} can't be reached: {_why(error)}.") from error
        if problem := _not_the_engine(response):
            response.close()
            raise Unreachable(f"{self.url} {problem}.")
        return response

    def _headers(self, kind: str) -> Mapping[str, str]:
        headers = {"Content-Type": kind, "Accept": "application/json, */*"}
        token = self._token()
        return headers if token is None else {**headers, "Authorization": f"Bearer {token}"}

    def _read(self, response: Any, last: int | None = None) -> bytes:
        body = bytearray()
        try:
            while part := response.read(_PART):
                body += part
                if last is not None and len(body) > last + LARGEST // 16:
                    del body[:-last]
                if len(body) > LARGEST:
                    raise Unreachable(f"{self.url} sends more than any engine has to say.")
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url} broke off: {_why(error)}.") from error
        return bytes(body if last is None else body[-last:])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An engine's API sends nobody elsewhere; a token must not follow where a proxy does."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _not_the_engine(response: Any) -> str:
    status: int = response.status
    if 300 <= status < 400:
        return f"sends to another address ({response.headers.get('Location')})"
    if status == 401:
        return "does not know the caller (401): a token is missing, or it has expired"
    if status in (429, 502, 503, 504):
        return f"can't answer now ({status} {response.reason})"
    return ""


def _why(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__
