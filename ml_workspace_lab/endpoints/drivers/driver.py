"""What a driver has to do: the protocol between the keeper of endpoints and one kind of target.

A driver brings about what a deployment's record says, and tells what it sees; it decides nothing
and writes nothing down but what it needs to find its own work again. Whoever makes another one
after a crash goes on from there.
"""

from dataclasses import dataclass
from typing import Protocol

from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.folder import Upstream
from ml_workspace_lab.endpoints.model import DeployEndpoint, EndpointState
from ml_workspace_lab.endpoints.store import Wanted

LOG_TAIL = 256 * 1024


@dataclass(frozen=True)
class Observed:
    """How a deployment is. `ready` is how many of its replicas answer, of whichever generation;
    None where that was not looked at. `reason` is the engine's own word, which users read as it is.
    `address` is where it answers, None where that is this machine's process itself, or nowhere yet.
    """

    state: EndpointState
    reason: str = ""
    ready: int | None = None
    address: Upstream | None = None


class DeploymentDriver(Protocol):
    """Keeps deployments on one target. Nothing here waits for what takes long: `apply` is called
    again and again, and goes on from where it was."""

    def apply(self, endpoint: Wanted, wanted: WantedDeployment) -> None:
        """Bring the deployment a step nearer to what is wanted. A repeat that finds it so changes
        nothing, and what served before goes on until the new one does."""
        ...

    def observe(self, endpoint: Wanted, wanted: WantedDeployment) -> Observed | None:
        """How it is, as last seen; None where nothing has been seen of it yet."""
        ...


class FarDriver(DeploymentDriver, Protocol):
    """A driver of a target elsewhere, whose methods may take their time. Those that ask its engine
    raise Unreachable where that does not answer."""

    @property
    def place(self) -> str:
        """Which part of which engine it works in: another one is another place, though the target
        be the same."""
        ...

    def check(self, wanted: DeployEndpoint) -> None:
        """Raise InvalidInput where such a deployment could never be served there. Asks nobody."""
        ...

    def logs(self, endpoint: str, deployment: str, tail_bytes: int = LOG_TAIL) -> bytes:
        """The end of what its replicas have printed."""
        ...

    def remove(self, endpoint: str, deployment: str) -> bool:
        """Leave nothing of a deployment; whether nothing is left. One that is gone is fine."""
        ...
