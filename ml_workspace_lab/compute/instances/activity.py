"""What goes on in an instance, asked of its own server."""

import http.client
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from ml_workspace_lab.api.types import Millis
from ml_workspace_lab.compute.instances.folder import Address

PATIENCE_SECONDS = 5.0


class Activity(Struct, frozen=True):
    """How many kernels are at work, and when a kernel or terminal last did something: the start
    of the server where none ever did. A page that is only open does nothing."""

    busy: int
    last: Millis

    def idle_seconds(self, moment: Millis) -> float:
        """0 while a kernel is at work."""
        return 0.0 if self.busy else max(0.0, (moment - self.last) / 1000)


def ask(address: Address, token: str) -> Activity:
    """What goes on there now. Raises OSError or HTTPException where the server does not answer,
    ValueError where it answers something else."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE_SECONDS)
    try:
        status, kernels, terminals = (
            _get(connection, f"{address.base_url}api/{what}", token)
            for what in ("status", "kernels", "terminals")
        )
    finally:
        connection.close()
    return measured(status, kernels, terminals)


def measured(
    status: Mapping[str, Any],
    kernels: Iterable[Mapping[str, Any]],
    terminals: Iterable[Mapping[str, Any]],
) -> Activity:
    """The activity that a server's answers tell of. Raises ValueError where they are none."""
    try:
        moments = [status["started"]]
        moments += [one["last_activity"] for one in (*kernels, *terminals)]
        busy = sum(one["execution_state"] == "busy" for one in kernels)
        return Activity(busy, max(map(_millis, moments)))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not what a Jupyter server says: {error!r}") from None


def _get(connection: http.client.HTTPConnection, path: str, token: str) -> Any:
    # What is asked here is no activity of the user's.
    headers = {"Authorization": f"token {token}"}
    connection.request("GET", f"{path}?no_track_activity=1", headers=headers)
    response = connection.getresponse()
    content = response.read()
    if response.status == http.client.NOT_FOUND:
        return []  # A server without terminals.
    if response.status != http.client.OK:
        raise ValueError(f"it answers {response.status}")
    return json.loads(content)


def _millis(text: str) -> Millis:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
