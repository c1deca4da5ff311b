"""The addresses of this machine."""

import socket
from contextlib import suppress

ANYWHERE = "192.0.2.1"
"""An address for documentation: nothing is sent to it."""
_PORT = 9


def own_address(towards: str = ANYWHERE) -> str:
    """The address by which the machine `towards` (others, by default) knows this one; loopback
    where it has no other. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect((towards, _PORT))
        return str(probe.getsockname()[0])
    with suppress(OSError):
        return socket.gethostbyname(socket.gethostname())
    return "127.0.0.1"
