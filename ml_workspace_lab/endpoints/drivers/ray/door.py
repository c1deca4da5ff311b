"""Where the applications of Ray Serve on a cluster are reached from here."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from ml_workspace_lab.compute.driver import Refused, Unreachable
from ml_workspace_lab.compute.http import Engine
from ml_workspace_lab.compute.ray.settings import RaySettings
from ml_workspace_lab.endpoints.drivers.ray.serve import Instance
from ml_workspace_lab.errors import InvalidInput

TIMEOUT_SECONDS = 5.0
HEALTH = "/healthz"
HEALTHY = b"Healthy"


class Door:
    """The HTTP proxy of Serve that a target's settings name, or the one on the dashboard's host."""

    def __init__(self, settings: RaySettings) -> None:
        self._settings = settings

    def check(self) -> None:
        """Raise InvalidInput where it is none that can be used."""
        address = self._settings.endpoints.address
        if address is None:
            return
        parts = urlsplit(address)
        if parts.scheme != "http" or parts.path.strip("/"):
            raise InvalidInput(
                "compute_target: the `address` of its `endpoints` must be http://HOST:PORT, of a"
                " proxy of Ray Serve itself.",
                field="compute_target",
            )

    def place(self, found: Instance) -> tuple[str, int] | None:
        """Host and port; None where Serve does not run. Raises Refused where Serve runs so that it
        is not reached."""
        address = self._settings.endpoints.address
        if address is not None:
            parts = urlsplit(address)
            return parts.hostname or "", parts.port or 80
        options = found.http_options
        if options is None:
            return None
        host = urlsplit(self._settings.address).hostname or ""
        if found.proxy_location == "Disabled":
            raise Refused(f"Ray Serve runs without HTTP proxies on {host}. {_HINT}")
        if _is_loopback(options.host) and not _is_loopback(host):
            raise Refused(
                f"Ray Serve listens on {options.host} only, and {host} is reached over a network."
                f" {_HINT}"
            )
        return host, options.port

    def trouble(self, place: tuple[str, int], route: str) -> str:
        """Why no scoring process answers there for an application; empty where one does."""
        host, port = place
        spelled = f"[{host}]" if ":" in host else host
        engine = Engine(f"http://{spelled}:{port}", timeout=TIMEOUT_SECONDS)
        try:
            answer = engine.ask("GET", route + HEALTH)
        except Unreachable as error:
            return f"{error} {_HINT}"
        if answer.status == 200 and answer.body == HEALTHY:
            return ""
        return f"{engine.url} answers {answer.status} for it: {answer.text[:200]}"


_HINT = (
    'Start it with `serve.start(http_options={"host": "0.0.0.0"})`, or say in the target\'s'
    " `endpoints.address` where it is reached."
)


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False
