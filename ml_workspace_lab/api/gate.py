"""The one way to an operation: check the right to it, do it, leave an audit row."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import msgspec

from ml_workspace_lab.access.authorize import authorize
from ml_workspace_lab.access.caller import acting_as
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.database import hardly_waiting
from ml_workspace_lab.storage.files import disk_errors


class Gate:
    """Does operations for one principal. `services` is None while there is no workspace."""

    def __init__(
        self, principal: Principal, services: Services | None, request_id: str = ""
    ) -> None:
        self.principal = principal
        self.services = services
        self.request_id = request_id

    def check(self, operation: Operation, arguments: msgspec.Struct) -> None:
        """Raise Denied, or NotFound where the object may not even be seen; Gone for an attempt that
        another one has followed."""
        ancestors = self.services.runs.ancestors if self.services else None
        with self._refusals_audited(operation, arguments):
            authorize(self.principal, operation.action, target_of(operation, arguments), ancestors)
            if self.principal.attempt is not None and self.services is not None:
                self.services.attempts.check_present(self.principal)

    def call(
        self,
        service: object,
        operation: Operation,
        arguments: msgspec.Struct,
        *,
        body: msgspec.Struct | None = None,
        content: BinaryIO | None = None,
    ) -> Any:
        """Do the operation. Its input must have been decoded to the declared types."""
        values: dict[str, Any] = msgspec.structs.asdict(arguments)
        if operation.body is not None:
            values["body"] = body
        if operation.uploads:
            values["content"] = content
        self.check(operation, arguments)
        with (
            self._refusals_audited(operation, arguments),
            acting_as(self.principal),
            disk_errors(),
        ):
            result = operation.function(service, **values)
        self._audit(operation, arguments, "ok")
        return result

    @contextmanager
    def _refusals_audited(self, operation: Operation, arguments: msgspec.Struct) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            code = error.error_code if isinstance(error, WorkspaceError) else "InternalError"
            # The refusal is what the caller must learn, even where it can't be recorded, and soon.
            with suppress(WorkspaceError), hardly_waiting():
                self._audit(operation, arguments, code)
            raise

    def _audit(self, operation: Operation, arguments: msgspec.Struct, outcome: str) -> None:
        if operation.audited and self.services is not None:
            self.services.audit.record(
                principal=self.principal.name,
                action=operation.action,
                target=target_of(operation, arguments),
                outcome=outcome,
                request_id=self.request_id,
            )


def target_of(operation: Operation, arguments: msgspec.Struct) -> str:
    """What the operation is done to: its path with the arguments put in."""
    names = {name: getattr(arguments, name) for name in operation.path_names}
    return operation.path.lstrip("/").format(**names)
