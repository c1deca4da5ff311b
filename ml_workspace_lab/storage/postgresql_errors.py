"""PostgreSQL's errors as errors that a user can act on, with nothing of the URL in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_workspace_lab.errors import InvalidInput, Unavailable, WorkspaceError
from ml_workspace_lab.storage.database import busy, full_disk

if TYPE_CHECKING:
    import psycopg

INSTALL = "pip install 'ml_workspace_lab[postgresql]'"


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise what PostgreSQL says of the machine, or of values that it can't keep, in our words."""
    try:
        import psycopg
    except ImportError:
        raise Unavailable("PostgreSQL's client library is missing.", hint=INSTALL) from None
    try:
        yield
    except psycopg.Error as error:
        translated = _translated(error)
        if translated is None:
            raise
        raise translated from error


def gone() -> Unavailable:
    return Unavailable(
        "The workspace was removed or replaced.",
        hint="Open the workspace anew, if there is one.",
    )


def _translated(error: "psycopg.Error") -> WorkspaceError | None:
    from psycopg import DataError, OperationalError, errors

    if isinstance(error, errors.DiskFull):
        return full_disk()
    if isinstance(error, errors.LockNotAvailable | errors.DeadlockDetected):
        return busy()
    if isinstance(error, errors.UndefinedTable):
        return gone()
    if isinstance(error, errors.InvalidSchemaName):
        return InvalidInput(
            "There is no such schema in that database.",
            field="database",
            hint="Make it first: CREATE SCHEMA name.",
        )
    if isinstance(error, errors.InsufficientPrivilege | errors.ReadOnlySqlTransaction):
        return _unusable(error, "Check what the URL's user may do there.")
    if isinstance(error, OperationalError):
        return _unusable(error, "Check that PostgreSQL runs and that the workspace's URL is right.")
    if isinstance(error, DataError):
        return InvalidInput(f"A value can't be kept: {_reason(error)}.")
    return None


def _unusable(error: "psycopg.Error", hint: str) -> Unavailable:
    return Unavailable(f"The workspace's database can't be used: {_reason(error)}.", hint=hint)


def _reason(error: "psycopg.Error") -> str:
    """The server's own words, else the last of the client library's: the rest names hosts."""
    said = error.diag.message_primary
    if said is None:
        said = str(error).strip().partition("\n")[0].rpartition(": ")[2]
    return (said or "it does not answer").rstrip(".")
