"""What the agent knows of a module from one life of its own to the next."""

import msgspec
from msgspec import Struct

from ml_workspace_lab.models.packages.edge_agent.wanted import Work


class Release(Struct, frozen=True):
    """A version of a module: its work, and the image that this named then."""

    work: Work
    digest: str


class Serving(Struct, frozen=True):
    """A process: its native id, and the port that it answers on before it has that of the module,
    which it never has where the module has none. `log_from` is where its output begins."""

    native: str
    own_port: int
    began: float
    log_from: int
    has_port: bool = False
    is_ready: bool = False


class Trial(Struct, frozen=True):
    """A version that is tried: first beside the one before, then, on probation, in its place."""

    release: Release
    times: int
    """How often it was begun: an agent that is killed begins again, but not for ever."""
    serving: Serving | None = None
    is_taking: bool = False
    """Whether it shall have the port: the version before was told to go."""


class Failure(Struct, frozen=True):
    """Work that was tried in vain, and is not tried again until it is wanted otherwise."""

    work: Work
    reason: str
    time: float


class Record(Struct, frozen=True):
    """A module. `serving` is the process of the version `current`; `ended` says how that ended,
    where it is not to be started again."""

    current: Release | None = None
    previous: Release | None = None
    serving: Serving | None = None
    trial: Trial | None = None
    failure: Failure | None = None
    ended: str = ""
    restarts: int = 0

    def digests(self) -> set[str]:
        """The images that it may need."""
        releases = [self.current, self.previous, self.trial.release if self.trial else None]
        return {one.digest for one in releases if one is not None}


def decode(content: bytes) -> Record | None:
    """None where that is no record: the disk may have lost its end."""
    try:
        return msgspec.json.decode(content, type=Record)
    except msgspec.MsgspecError:
        return None
