"""Requests to a registry: who asks is said to that registry alone, and only encrypted, unless it is
on this machine."""

import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPMessage
from io import BytesIO
from typing import IO, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from ml_workspace_lab.errors import (
    Denied,
    InvalidInput,
    NotFound,
    Unavailable,
    WorkspaceError,
    shown,
)
from ml_workspace_lab.models.packages.credentials import Credentials
from ml_workspace_lab.models.packages.references import is_loopback

TIMEOUT_SECONDS = 60.0
_TOKEN_LIMIT = 1 << 20
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_WORDS = 300


@dataclass(frozen=True)
class Body:
    """What is sent, and can be sent once more where the registry asks first who one is."""

    open: Callable[[], BinaryIO]
    size: int

    @classmethod
    def nothing(cls) -> "Body":
        return cls(lambda: BytesIO(), 0)


class Talk:
    """Requests to one origin by one who may do what `scope` says, as far as `credentials` go."""

    def __init__(self, origin: str, credentials: Credentials | None, scope: str) -> None:
        self._origin = origin
        self._credentials = credentials
        self._scope = scope
        self._authorization: str | None = None
        self._opener = _opener(origin)

    def has(self, url: str) -> bool:
        """Whether there is something."""
        try:
            with self.ask("HEAD", url, {}):
                return True
        except NotFound:
            return False

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None
    ) -> http.client.HTTPResponse:
        """The answer, where it is a good one. Raises NotFound, Denied, InvalidInput and
        Unavailable."""
        try:
            return self._send(method, url, headers, body)
        except HTTPError as error:
            if error.code != http.client.UNAUTHORIZED or not self._is_own(url):
                raise _refusal(error, self._origin) from None
            challenge = error.headers.get_all("WWW-Authenticate", [])
            error.close()
        self._authorization = self._answer(challenge)
        try:
            return self._send(method, url, headers, body)
        except HTTPError as error:
            raise _refusal(error, self._origin) from None

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None
    ) -> http.client.HTTPResponse:
        _check(url)
        stream = body.open() if body is not None else None
        request = Request(url, stream, dict(headers), method=method)  # noqa: S310 - checked above
        if body is not None:
            request.add_unredirected_header("Content-Length", str(body.size))
        if self._authorization and self._is_own(url):
            # Not to where a registry sends one for the contents themselves.
            request.add_unredirected_header("Authorization", self._authorization)
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=TIMEOUT_SECONDS)
        except HTTPError:
            raise
        except URLError as error:
            raise _silent(self._origin, error.reason) from None
        except (OSError, http.client.HTTPException) as error:
            raise _silent(self._origin, error) from None
        finally:
            if stream is not None:
                stream.close()
        return answer

    def _is_own(self, url: str) -> bool:
        return _origin(url) == self._origin

    def _answer(self, challenges: list[str]) -> str:
        """What to say to a registry that wants to know who asks. Raises Denied, InvalidInput."""
        for challenge in challenges:
            scheme, _, rest = challenge.partition(" ")
            if scheme.lower() == "bearer":
                return f"Bearer {self._token(dict(_CHALLENGE.findall(rest)))}"
            if scheme.lower() == "basic" and self._credentials and self._credentials.username:
                return self._credentials.basic
        raise Denied(
            f"The registry {self._origin} wants to know who asks.",
            hint="Give a username and password, or log in with `docker login`.",
        )

    def _token(self, challenge: Mapping[str, str]) -> str:
        """A token from where the registry sends one for it."""
        realm = challenge.get("realm", "")
        _check(realm)
        asked = {"service": challenge.get("service", ""), "scope": self._scope}
        who = self._credentials
        if who and who.identity:
            words = {"grant_type": "refresh_token", "refresh_token": who.identity, **asked}
            request = Request(realm, urlencode(words).encode(), method="POST")  # noqa: S310
        else:
            sign = "&" if "?" in realm else "?"
            request = Request(f"{realm}{sign}{urlencode(asked)}")  # noqa: S310 - checked above
            if who:
                request.add_unredirected_header("Authorization", who.basic)
        try:
            with _opener(_origin(realm)).open(request, timeout=TIMEOUT_SECONDS) as answer:
                found = json.loads(answer.read(_TOKEN_LIMIT))
            return str(found.get("token") or found["access_token"])
        except HTTPError as error:
            raise _refusal(error, _origin(realm)) from None
        except (OSError, http.client.HTTPException) as error:
            raise _silent(_origin(realm), error) from None
        except (ValueError, KeyError, AttributeError, TypeError):
            raise Unavailable(f"{_origin(realm)} gave no token.") from None


class _Redirects(HTTPRedirectHandler):
    """Follows where it may be gone to at all."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> Request | None:
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(origin: str) -> OpenerDirector:
    if is_loopback(urlsplit(origin).netloc):
        return build_opener(_Redirects, ProxyHandler({}))
    return build_opener(_Redirects)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _check(url: str) -> None:
    """Raise InvalidInput where that is no place to say anything to."""
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.netloc))
    if not is_safe or not parts.hostname or parts.username is not None:
        place = f"{parts.scheme}://{parts.hostname}"
        raise InvalidInput(
            f"The registry leads to {shown(place)}.",
            hint="Registries are spoken to over https, on this machine also over http.",
        )


def _refusal(error: HTTPError, origin: str) -> WorkspaceError:
    """What a registry's refusal means. It may say things; what was said to it is not repeated."""
    with error:
        said = _words(error.read(_TOKEN_LIMIT)) or error.reason
    words = f"The registry {origin} says {error.code}: {said[:_WORDS]}"
    if error.code in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return Denied(words, hint="Give a username and password that may do this.")
    if error.code == http.client.NOT_FOUND:
        return NotFound(words)
    if error.code == http.client.TOO_MANY_REQUESTS or error.code >= 500:
        return Unavailable(words, hint="Try again later.")
    return InvalidInput(words)


def _words(content: bytes) -> str:
    try:
        errors = json.loads(content)["errors"]
        return "; ".join(f"{one['code']}: {one.get('message', '')}" for one in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _silent(origin: str, reason: object) -> Unavailable:
    return Unavailable(
        f"The registry {origin} does not answer: {reason}.",
        hint="Check its name, and that it can be reached from here.",
    )
