"""A user's way into a workspace: the services with every call checked, here or over HTTP."""

import inspect
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import msgspec

from ml_workspace_lab.access.caller import local_user
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.gate import Gate
from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.services import ByName, Services, service_class
from ml_workspace_lab.storage.files import FileLock
from ml_workspace_lab.storage.storage import Storage

if TYPE_CHECKING:
    from ml_workspace_lab.client.metric_log import MetricWriter


class Ownership(Protocol):
    """That this process does the work of a run: it ends with the process, or when released."""

    def release(self) -> None: ...


class Connection(ByName):
    """The operations of every service. Both ways of access have the same methods."""

    @abstractmethod
    def call(
        self,
        service: str,
        operation: Operation,
        arguments: msgspec.Struct,
        body: msgspec.Struct | None,
        content: BinaryIO | None,
    ) -> Any:
        """Do an operation. Its input must have been converted to the declared types."""

    def make(self, name: str) -> "Proxy":
        return Proxy(self, name)

    @abstractmethod
    def metric_writer(self, run_id: str) -> "MetricWriter":
        """A writer of metrics for this process, with the caller's right to it checked."""

    @abstractmethod
    def own(self, run_id: str) -> Ownership:
        """Say that this process does the work of a run."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what this thread holds open; a later call opens it again."""


class Proxy:
    """A service as its users see it: its operations and nothing else."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._operations = service_class(name).operations

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._operations:
            raise AttributeError(f"{self._name} has no operation {name!r}")
        operation = self._operations[name]
        signature = inspect.signature(operation.function)

        def call(*positional: Any, **named: Any) -> Any:
            values = dict(signature.bind(None, *positional, **named).arguments)
            values.pop("self")
            body = values.pop("body", None)
            content = values.pop("content", None)
            # Structs are not checked when they are made: what comes from Python is checked as what
            # comes over HTTP is.
            if body is not None and operation.body is not None:
                body = convert(_builtins(body), operation.body)
            arguments = convert(values, operation.arguments)
            return self._connection.call(self._name, operation, arguments, body, content)

        setattr(self, name, call)
        return call


def _builtins(body: msgspec.Struct) -> Any:
    try:
        return msgspec.to_builtins(body)
    except TypeError as error:
        raise InvalidInput(
            f"A value can't be kept: {error}.", hint="Convert it to Python's own types."
        ) from None


class LocalConnection(Connection):
    """A workspace in a folder of this machine."""

    def __init__(self, storage: Storage, principal: Principal | None = None) -> None:
        self.storage = storage
        self._services = Services(storage)
        self._gate = Gate(principal or local_user(), self._services)

    def call(
        self,
        service: str,
        operation: Operation,
        arguments: msgspec.Struct,
        body: msgspec.Struct | None,
        content: BinaryIO | None,
    ) -> Any:
        self.storage.database.require()
        instance = getattr(self._services, service)
        return self._gate.call(instance, operation, arguments, body=body, content=content)

    def metric_writer(self, run_id: str) -> "MetricWriter":
        self.storage.database.require()
        operation = service_class("metrics").operations["log"]
        self._gate.check(operation, convert({"run_id": run_id}, operation.arguments))
        return self._services.metrics.writer(run_id)

    def own(self, run_id: str) -> Ownership:
        self.storage.database.require()
        lock = FileLock(self.storage.run(run_id).lock)
        lock.acquire()
        return lock

    def close(self) -> None:
        self.storage.database.close()
