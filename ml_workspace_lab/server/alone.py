"""The handlers of a server of our own: who may come in where no Jupyter asks."""

import hmac
import re
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.errors import Denied, InvalidInput
from ml_workspace_lab.server.answering import Answering
from ml_workspace_lab.server.credentials import presented

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADER_LIMIT = 512 * 1024
GIVEN_TOKEN = re.compile(r"[!-~]{16,}")


class HeadersTooLarge(InvalidInput):
    """The request's line and headers are over the limit."""

    status = 431


@dataclass(frozen=True)
class Entry:
    """Who may come in. `hosts` are the names that the server answers to; whoever shows `token`
    is the Owner; where it `is_open`, everyone is, which is for loopback alone."""

    hosts: frozenset[str]
    token: str | None = None
    is_open: bool = False


def is_loopback(host: str) -> bool:
    return in_url(host) in LOOPBACK


def in_url(host: str) -> str:
    """The host as addresses and `Host` headers spell it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host.lower()


def entry(host: str, allowed: list[str], token: str | None, *, is_open: bool) -> Entry:
    """The rules of a server bound to `host`. Raises InvalidInput where they would let in whoever
    comes, or where a given token can be guessed."""
    if is_open and token is not None:
        raise InvalidInput("Give either a token or --no-token.", field="token")
    if is_open and (allowed or not is_loopback(host)):
        raise InvalidInput(
            f"Without a token the server is for this machine alone, not for {in_url(host)}"
            f"{''.join(f' and {name}' for name in allowed)}.",
            field="no-token",
            hint="Serve on 127.0.0.1 without --allow-host, or with a token.",
        )
    if token is not None and not GIVEN_TOKEN.fullmatch(token):
        raise InvalidInput(
            "token: must have 16 or more characters, all visible ASCII.",
            field="token",
            hint="Leave it out to get one that nobody can guess.",
        )
    names = {in_url(name) for name in (host, *allowed)}
    return Entry(LOOPBACK | names, token, is_open)


class Alone(Answering):
    """A token is the one way in, and there are no cookies: a page elsewhere has no token to send,
    so cross-site requests need no further guard unless the server is open."""

    @property
    def entry(self) -> Entry:
        return cast(Entry, self.settings["entry"])

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")

    def admit(self) -> None:
        headers = self.request.headers
        length = sum(len(name) + len(value) for name, value in headers.get_all())
        if length + len(self.request.uri or "") > HEADER_LIMIT:
            raise HeadersTooLarge(f"The headers are over the limit of {HEADER_LIMIT // 1024} KiB.")
        host = self.request.host.lower()
        # The port is left open, since a tunnel may have another one.
        name = re.sub(r":[0-9]+$", "", host)
        if name not in self.entry.hosts:
            raise Denied(
                "Host: is not a name of this server.",
                field="Host",
                hint="Start the server with --allow-host NAME for each other name it has.",
            )
        origin = headers.get("Origin")
        if self.entry.is_open and origin is not None and not _is_page_of(origin, host):
            raise Denied("Origin: is a page of another server.", field="Origin")

    async def identify(self) -> Principal:
        if self.entry.is_open:
            return self.host.user
        token = presented(self.request.headers.get("Authorization", ""))
        if token is None:
            raise self.unknown(
                "Who are you? The request has no token.",
                hint="Send Authorization: Bearer TOKEN, or the token as the password of Basic.",
            )
        if self.entry.token is not None and hmac.compare_digest(
            token.encode(), self.entry.token.encode()
        ):
            return self.host.user
        principal = await self.principal_of(token)
        if principal is None:
            raise self.unknown("The token is not (or no longer) one of this server.")
        return principal


def _is_page_of(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host
    except ValueError:
        return False
