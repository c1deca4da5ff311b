"""How an operation is declared: once, on a method of a service.

From the declaration come the HTTP route, the decoding of its input, the permission check, the
audit row, the OpenAPI document and the method of a remote client.
"""

import inspect
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    ClassVar,
    Literal,
    Protocol,
    TypeVar,
    get_type_hints,
)

import msgspec

from ml_workspace_lab.api.types import Content

if TYPE_CHECKING:
    from ml_workspace_lab.services import Services
    from ml_workspace_lab.storage.storage import Storage

Method = Literal["GET", "PUT", "POST", "PATCH", "DELETE"]
JSON_LIMIT = 4 * 1024 * 1024


class Operation(msgspec.Struct, frozen=True, dict=True):
    """One thing that a user can do."""

    method: Method
    path: str
    action: str
    function: Callable[..., Any]
    body_limit: int = JSON_LIMIT
    audited: bool = True
    streams_events: bool = False

    @property
    def name(self) -> str:
        return self.function.__name__

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @cached_property
    def result(self) -> Any:
        return self._hints["return"]

    @cached_property
    def path_names(self) -> tuple[str, ...]:
        return tuple(re.findall(r"{(\w+)}", self.path))

    @cached_property
    def body(self) -> type[msgspec.Struct] | None:
        """The type of the JSON body, None where there is none."""
        return self._hints.get("body")

    @cached_property
    def uploads(self) -> bool:
        """Whether the request's body is bytes, which arrive as the argument `content`."""
        return self._hints.get("content") is BinaryIO

    @cached_property
    def downloads(self) -> bool:
        """Whether the answer is bytes and not JSON."""
        return self.result is Content

    @cached_property
    def query_names(self) -> tuple[str, ...]:
        known = {*self.path_names, "body", "content", "self"}
        return tuple(n for n in inspect.signature(self.function).parameters if n not in known)

    @cached_property
    def arguments(self) -> type[msgspec.Struct]:
        """The path and query arguments as one type, so that one decoder checks them all."""
        parameters = inspect.signature(self.function).parameters
        fields: list[Any] = []
        for name in (*self.path_names, *self.query_names):
            default = parameters[name].default
            required = default is inspect.Parameter.empty
            fields.append(
                (name, self._hints[name]) if required else (name, self._hints[name], default)
            )
        return msgspec.defstruct(
            f"{self.name}_arguments", fields, kw_only=True, forbid_unknown_fields=True
        )


F = TypeVar("F", bound=Callable[..., Any])


def operation(
    method: Method,
    path: str,
    *,
    action: str,
    body_limit: int = JSON_LIMIT,
    audited: bool | None = None,
    streams_events: bool = False,
) -> Callable[[F], F]:
    """Declare a service's method an operation.

    `action` is what the caller needs the right to; every operation but a GET leaves an audit row
    unless `audited` says otherwise.
    """

    def declare(function: F) -> F:
        declared = Operation(
            method=method,
            path=path,
            action=action,
            function=function,
            body_limit=body_limit,
            audited=method != "GET" if audited is None else audited,
            streams_events=streams_events,
        )
        function.__operation__ = declared  # type: ignore[attr-defined]
        return function

    return declare


class Declared:
    """Keeps the operations that a class declares."""

    operations: ClassVar[dict[str, Operation]] = {}

    def __init_subclass__(cls) -> None:
        cls.operations = {
            name: member.__operation__
            for name, member in vars(cls).items()
            if hasattr(member, "__operation__")
        }


class Service(Declared):
    """The operations of one noun, over a workspace's storage and the other nouns' services."""

    def __init__(self, storage: "Storage", services: "Services") -> None:
        self.storage = storage
        self.services = services


class Host(Protocol):
    """The server that a host service belongs to."""

    root: Path

    def adopt(self, storage: "Storage") -> None:
        """Serve this workspace from now on."""
        ...


class HostService(Declared):
    """Operations of the server itself, which it has without a workspace too."""

    def __init__(self, host: Host) -> None:
        self.host = host
