"""Whose keys open an endpoint."""

import asyncio
import hashlib
import hmac
from pathlib import Path
from typing import Protocol

from ml_workspace_lab.endpoints.folder import Rules
from ml_workspace_lab.endpoints.scoring.watched import WatchedFile

MAX_KNOWN = 8
"""One key may be spelled in several ways."""


class Keyring(Protocol):
    """Knows whose keys open an endpoint."""

    def who(self, authorization: str) -> str | None:
        """Whom the value of the header `Authorization` stands for: `workspace` for the workspace
        itself, `caller` for a holder of a key, else None."""


def hashed_key(authorization: str) -> str | None:
    """The SHA-256 of the key in the value of the header `Authorization`; None where it has none."""
    scheme, _, key = authorization.partition(" ")
    return hashlib.sha256(key.strip().encode()).hexdigest() if scheme.lower() == "bearer" else None


class Gatekeeper:
    """The keys of a file; a change of it counts at once: it is looked at for each request, but once
    for those that the event loop has read together. `rules` is all that it said then."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, Rules, Rules("", "", ""))
        self._is_fresh = False
        self._known: dict[str, str] = {}
        """Who those are that have shown a key since the file changed."""

    @property
    def rules(self) -> Rules:
        return self._file.found

    def who(self, authorization: str) -> str | None:
        if not self._is_fresh:
            self.refresh()
            self._is_fresh = True
            asyncio.get_running_loop().call_soon(self._grow_stale)
        if (known := self._known.get(authorization)) is not None:
            return known
        if (hashed := hashed_key(authorization)) is None:
            return None
        who = self._compared(hashed)
        if who is not None and len(self._known) < MAX_KNOWN:
            self._known[authorization] = who
        return who

    def _compared(self, hashed: str) -> str | None:
        # Compared with each, whatever the first ones say: the time taken tells nothing.
        own = hmac.compare_digest(hashed, self.rules.workspace)
        first = hmac.compare_digest(hashed, self.rules.primary)
        second = hmac.compare_digest(hashed, self.rules.secondary)
        return "workspace" if own else "caller" if first or second else None

    def refresh(self) -> None:
        """Look at the file. Raises OSError or ValueError where it is gone or damaged."""
        if self._file.look():
            self._known.clear()

    def _grow_stale(self) -> None:
        self._is_fresh = False
