"""What a Ray cluster says of its Serve applications, over the dashboard's REST API.

Applications are only looked at here. That API can put them only all at once, which deletes those
of others that are not named, and its DELETE ends Serve as a whole: neither is ever sent.
"""

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.compute.driver import Refused, Unreachable
from ml_workspace_lab.compute.http import Engine

PATH = "/api/serve/applications/"
NOT_INSTALLED = 501
MOST_LINES = 10_000


class Replica(Struct, frozen=True):
    """An actor that answers for a deployment."""

    replica_id: str
    state: str
    actor_id: str | None = None


class ServeDeployment(Struct, frozen=True):
    """A part of an application."""

    status: str
    message: str = ""
    target_num_replicas: int = 0
    replicas: list[Replica] = field(default_factory=list)


class Application(Struct, frozen=True):
    """An application of anybody's. `route_prefix` is where Serve's proxies have it."""

    name: str
    status: str
    message: str = ""
    route_prefix: str | None = None
    deployments: dict[str, ServeDeployment] = field(default_factory=dict)


class HttpOptions(Struct, frozen=True):
    """Where its proxies listen on their nodes, as far as whoever started it has said."""

    host: str | None = None
    port: int = 8000


class Instance(Struct, frozen=True):
    """All that Serve has on a cluster: of its own where it runs, and all applications by name."""

    applications: dict[str, Application] = field(default_factory=dict)
    http_options: HttpOptions | None = None
    proxy_location: str | None = None

    def beginning(self, prefix: str) -> dict[str, Application]:
        """The applications whose names begin so."""
        return {name: one for name, one in self.applications.items() if name.startswith(prefix)}


class ServeApi:
    """Questions to one cluster. Raises Unreachable where there is no answer that can be used,
    Refused where the cluster has no Ray Serve."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self) -> Instance:
        """What there is; nothing where Serve has not been started."""
        answer = self._engine.ask("GET", PATH)
        if answer.status == NOT_INSTALLED:
            raise Refused(
                f"The Ray cluster at {self._engine.url} has no Ray Serve. Install `ray[serve]` on"
                " its head and on the nodes that are to answer."
            )
        if answer.status != 200:
            raise Unreachable(f"{self._engine.url} answers {answer.status}: {answer.text[-500:]}")
        try:
            return msgspec.json.decode(answer.body, type=Instance)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable(f"{self._engine.url} does not speak Serve's API: {error}.") from error

    def log_tail(self, actor_id: str, size: int) -> bytes:
        """The last `size` bytes of what an actor has printed; nothing where it has no log."""
        query = f"actor_id={actor_id}&suffix=out&lines={MOST_LINES}"
        answer = self._engine.tail(f"/api/v0/logs/file?{query}", size)
        return answer.body if answer.status == 200 else b""
