"""Tokens as requests carry them, and whom they speak for."""

import binascii
import hashlib
import time
from base64 import b64decode
from collections.abc import Callable

from ml_workspace_lab.access.model import Principal

OWN = "mlws_"
FRESH_SECONDS = 5.0
KEPT = 1000


def presented(authorization: str) -> str | None:
    """The token of an `Authorization` header: a bearer's, or the password of `Basic`, whose user
    name says nothing. None where there is none."""
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value or None
    if scheme.lower() != "basic":
        return None
    try:
        pair = b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return pair.partition(":")[2] or None


class KnownTokens:
    """Principals of tokens that were checked at most 5 s ago, so that a fast call asks no database.

    A token revoked in this process is forgotten at once, in another process after that time.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def get(self, token: str) -> Principal | None:
        until, principal = self._known.get(_key(token), (0.0, None))
        return principal if until > time.monotonic() else None

    def check(self, token: str, ask: Callable[[str], Principal | None]) -> Principal | None:
        """Whom `ask` says the token speaks for, kept from now on: but of an attempt, whose token is
        over in the moment in which another one is begun."""
        known = self._known
        principal = ask(token)
        if principal is not None and principal.attempt is None:
            if len(known) >= KEPT:
                known.clear()
            # Into the old dictionary where `forget` came meanwhile: that word was the newer one.
            known[_key(token)] = time.monotonic() + FRESH_SECONDS, principal
        return principal

    def forget(self) -> None:
        self._known = {}


def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
