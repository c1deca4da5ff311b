"""A running target that a driver's tests bring."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.driver import Driver


@dataclass
class Target:
    """A target that is attached to `ws` as `name`, whose processes see this machine's files.

    `unknown` is a native id that its engine doesn't know. `kill_node` ends the machine that a run
    is on, with all of its processes; `cut_network` parts the target from the workspace for as long
    as the block lasts. Either is None where this kind of target has no such thing, and the tests
    that need it are skipped. `seconds` is how long any single step may take here, `crowd` how many
    runs are submitted at once. `ends_strays`: the engine itself ends what an attempt has left
    behind, also outside its session; else that is for the runner alone.
    """

    ws: Workspace
    name: str
    unknown: str
    kill_node: Callable[[str], None] | None = None
    cut_network: Callable[[], AbstractContextManager[None]] | None = None
    seconds: float = 60.0
    crowd: int = 100
    ends_strays: bool = True

    @property
    def root(self) -> Path:
        return Path(self.ws.location)

    def is_idle(self) -> bool:
        """Whether no job waits, goes on, or has left something behind."""
        info = self.ws.connection.computes.get(self.name)
        return info.running == info.queued == 0

    def driver(self) -> Driver:
        """A driver that remembers nothing."""
        from ml_workspace_lab.api.connection import LocalConnection

        assert isinstance(self.ws.connection, LocalConnection)
        computes = self.ws.connection._services.computes
        return computes.driver(computes.target(self.name))
