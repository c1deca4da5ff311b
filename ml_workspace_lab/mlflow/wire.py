"""What the HTTP server hands to the protocol and takes from it; nothing here knows of a server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Content

JSON_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `path` has the pattern's named groups, decoded; `body` stands at its beginning.

    `connection` acts for the caller, with the caller's rights; on a public route nobody has any.
    `address` is where the caller reaches the protocol: what stands before the paths of its calls.
    """

    connection: LocalConnection
    path: dict[str, str]
    query: dict[str, list[str]]
    body: BinaryIO
    headers: Mapping[str, str]
    address: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. JSON unless `headers` say otherwise; a `Content` is streamed, in ranges too."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Content = b"{}"


@dataclass(frozen=True, slots=True)
class Route:
    """A call and its address: a regular expression for the whole path below the mount.

    `limit` is the longest body in bytes. An `inline` call is made on the event loop, so it must
    neither wait for a disk nor take over a millisecond; any other runs in a thread. A `public` one
    needs no login: it tells nothing of the workspace, or its address is the right to it.
    """

    method: str
    pattern: str
    call: Callable[[Request], Response]
    limit: int = JSON_LIMIT
    inline: bool = False
    public: bool = False
