"""A user's way into a workspace: the services with every call checked, here or over HTTP."""

import inspect
import time
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
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
    from ml_workspace_lab.storage.journal import JournalWriter


WAKE_SECONDS = 15.0
"""How often a process that logs sees to it that the background process is there."""
_woken: dict[Path, float] = {}


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

    shares_journals: bool
    """Whether the workspace reads this process's journals where they lie."""

    @abstractmethod
    def metric_writer(self, run_id: str) -> "JournalWriter":
        """A journal of metrics for this process, with the caller's right to it checked."""

    @abstractmethod
    def last_step(self, run_id: str, name: str, own: str | None) -> int:
        """The greatest step of a metric, -1 where it has none; `own` is the name of a journal that
        has nothing of it."""

    @abstractmethod
    def ship(self, run_id: str, writer: "JournalWriter", kept: int) -> int:
        """Bring what a journal holds beyond `kept` records into the store; how many are there."""

    @abstractmethod
    def sweep(self, run_id: str, writer: "JournalWriter") -> None:
        """At the end of a run: bring into the store whatever it lacks of this journal, and what
        children of this process logged and left behind."""

    @abstractmethod
    def forget(self, writer: "JournalWriter") -> None:
        """Take away a journal that the store has all of."""

    @abstractmethod
    def watch(self) -> None:
        """See to it that a run is closed where the process that does its work dies."""

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
                body = convert(_builtins(body), operation.body, kept=True)
            arguments = convert(values, operation.arguments, kept=True)
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
        self.principal = principal or local_user()
        self._services = Services(storage)
        self._gate = Gate(self.principal, self._services)

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

    def check(self, service: str, operation: str, **values: Any) -> None:
        """Raise what a call with these arguments would be refused with, for want of a right; for
        what begins now and is done by that call later."""
        self.storage.database.require()
        found = service_class(service).operations[operation]
        self._gate.check(found, convert(values, found.arguments))

    shares_journals = True

    def metric_writer(self, run_id: str) -> "JournalWriter":
        self.check("metrics", "log", run_id=run_id)
        return self._services.metrics.writer(run_id)

    def last_step(self, run_id: str, name: str, own: str | None) -> int:
        self.storage.database.require()
        return self._services.metrics.last_step(run_id, name, own)

    def ship(self, run_id: str, writer: "JournalWriter", kept: int) -> int:  # noqa: ARG002 - the store knows
        self.storage.database.require()
        return self._services.metrics.fold(run_id).get(writer.name, writer.count)

    def sweep(self, run_id: str, writer: "JournalWriter") -> None:
        """Nothing: the end of the run takes all of its journals."""

    def forget(self, writer: "JournalWriter") -> None:
        writer.remove()

    def watch(self) -> None:
        from ml_workspace_lab.compute.wake import poke, wake

        # What a job starts ends with it: its code is no place to start that process.
        see_to_it = wake if self.principal.run_id is None else poke
        moment = time.monotonic()
        if moment - _woken.get(self.storage.root, -WAKE_SECONDS) >= WAKE_SECONDS:
            _woken[self.storage.root] = moment
            see_to_it(self.storage.root)

    def own(self, run_id: str) -> Ownership:
        self.storage.database.require()
        lock = FileLock(self.storage.run(run_id).lock)
        lock.acquire()
        return lock

    def close(self) -> None:
        self.storage.database.close()
