"""What a runner on another machine is given to begin with: where its workspace is, and a token that
is good for claiming one attempt, once.

It comes in a file of mode 0400 that a variable of the environment names, never as an argument. An
engine that can't bring a file to a node is given the ticket itself as a variable: it is worthless
from the moment in which the runner has used it, which is before any code of a user runs.
"""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.files import write_atomic

VARIABLE = "ML_WORKSPACE_TICKET_FILE"
INLINE = "ML_WORKSPACE_TICKET"


class Ticket(Struct, frozen=True):
    """`url` is the address that the compute target reaches the workspace at."""

    url: str
    run_id: str
    attempt: int
    token: str

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    def write(self, path: Path) -> None:
        """Put it into a file that its owner alone can read."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, self.encode(), mode=0o400)


def presented() -> Ticket | None:
    """The ticket of this process, None where it has none. Raises InvalidInput where it can't be
    read. What this process starts does not see it."""
    path, inline = os.environ.pop(VARIABLE, None), os.environ.pop(INLINE, None)
    if path is None and inline is None:
        return None
    try:
        content = Path(path).read_bytes() if path is not None else (inline or "").encode()
        return msgspec.json.decode(content, type=Ticket)
    except (OSError, msgspec.DecodeError) as error:
        name = VARIABLE if path is not None else INLINE
        raise InvalidInput(f"{name} is no ticket: {error}.", field=name) from None
