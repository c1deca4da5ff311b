"""Who is acting in this thread of work, for the records that services write."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ml_workspace_lab.access.model import Principal

_caller: ContextVar[Principal | None] = ContextVar("caller", default=None)


def local_user() -> Principal:
    """The one user of this machine's account: the Owner of every workspace in its folders."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "local"
    return Principal(name=name, role="Owner")


def caller() -> Principal:
    """Who acts now: the workspace itself where no user is behind the work."""
    return _caller.get() or Principal(name="workspace", role="Owner")


@contextmanager
def acting_as(principal: Principal) -> Iterator[None]:
    token = _caller.set(principal)
    try:
        yield
    finally:
        _caller.reset(token)
