"""The errors a user can meet: each says what is wrong, why, and what to do about it.

Every surface turns them into its own form in one place: REST into a status and a JSON body, the
command line into an exit code, a notebook into a short message without a traceback.
"""

from typing import ClassVar

SHOWN = 80


class WorkspaceError(Exception):
    """Base of all errors that the package raises on purpose.

    `field` names the input that is at fault (None where there is none) and `hint` says what to do.
    """

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint
        self.request_id: str | None = None

    @property
    def error_code(self) -> str:
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class InvalidInput(WorkspaceError):
    """The request can't be understood or breaks a rule; nothing was changed."""

    status = 400
    exit_code = 2


class Denied(WorkspaceError):
    """The caller is known and may not do this."""

    status = 403
    exit_code = 4


class Unauthenticated(Denied):
    """Nobody is known to be asking: no login and no token, or one that is not valid."""

    status = 401


class NotFound(WorkspaceError):
    """There is no such thing, or the caller may not see it."""

    status = 404
    exit_code = 3


class WorkspaceNotConfigured(NotFound):
    """No workspace was named and none was found."""


class Conflict(WorkspaceError):
    """What was asked contradicts the present state."""

    status = 409
    exit_code = 5


class Gone(WorkspaceError):
    """What was asked is over for this caller: another has taken its place."""

    status = 410
    exit_code = 5


class TooLarge(WorkspaceError):
    """A body or a file is over its limit."""

    status = 413
    exit_code = 2


class RunFailed(WorkspaceError):
    """A run that was waited for did not complete."""

    status = 422
    exit_code = 1


class ScoringFailed(WorkspaceError):
    """A scoring script raised; `message` carries its traceback."""

    status = 422
    exit_code = 1


class Unavailable(WorkspaceError):
    """A part that is needed does not answer right now; trying again later may work."""

    status = 503
    exit_code = 6


class StorageFull(WorkspaceError):
    """The disk that holds the workspace has no room left; nothing was changed."""

    status = 507
    exit_code = 6


def one_line(text: str) -> str:
    """A text for a terminal, which what somebody wrote must not steer."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(value: object) -> str:
    """What somebody gave, in quotes for an error's message, the end left out where it is long."""
    text = str(value)
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def _subclasses(cls: type[WorkspaceError]) -> list[type[WorkspaceError]]:
    return [cls, *(below for child in cls.__subclasses__() for below in _subclasses(child))]


def from_wire(
    error_code: str, message: str, field: str | None, hint: str | None, request_id: str | None
) -> WorkspaceError:
    """The error that a server's error body describes, so that both ways of access raise alike."""
    kinds = {kind.__name__: kind for kind in _subclasses(WorkspaceError)}
    error = kinds.get(error_code, WorkspaceError)(message, field=field, hint=hint)
    error.request_id = request_id
    return error
