"""Whose keys open an endpoint."""

import hashlib
import hmac
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.folder import Keys


class Gatekeeper:
    """Knows whose keys open the endpoint; a change of the keys' file counts at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = (-1, -1)
        self._keys = Keys("", "", "")

    def who(self, authorization: str) -> str | None:
        """Whom the value of the header `Authorization` stands for: `workspace` for the workspace
        itself, `caller` for a holder of a key, else None."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        self._refresh()
        hashed = hashlib.sha256(key.strip().encode()).hexdigest()
        # Compared with each, whatever the first ones say: the time taken tells nothing.
        own = hmac.compare_digest(hashed, self._keys.workspace)
        first = hmac.compare_digest(hashed, self._keys.primary)
        second = hmac.compare_digest(hashed, self._keys.secondary)
        return "workspace" if own else "caller" if first or second else None

    def _refresh(self) -> None:
        status = self._path.stat()
        # Two writes within one tick of the clock differ in the file's number.
        seen = status.st_mtime_ns, status.st_ino
        if seen != self._seen:
            self._keys = msgspec.json.decode(self._path.read_bytes(), type=Keys)
            self._seen = seen
