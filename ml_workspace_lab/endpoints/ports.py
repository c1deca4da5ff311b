"""Ports of loopback that endpoints may have."""

import socket

from ml_workspace_lab.errors import Conflict, InvalidInput


def free_port(wanted: int) -> int:
    """The port, or a free one for 0. Raises Conflict where something listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except PermissionError:
            raise InvalidInput(
                f"port: {wanted} is reserved for the system.", field="port", hint="Use 1024 or up."
            ) from None
        except OSError:
            raise Conflict(
                f"Port {wanted} is taken.", field="port", hint="Name another, or 0 for a free one."
            ) from None
        port: int = probe.getsockname()[1]
        return port
