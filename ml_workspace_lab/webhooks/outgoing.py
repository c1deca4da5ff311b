"""Calling an address that somebody else chose, without becoming their way into our network."""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

from ml_workspace_lab.errors import Denied, InvalidInput, shown
from ml_workspace_lab.webhooks.model import Attempt, Network

TIMEOUT_SECONDS = 10.0
SHOWN_BYTES = 2000
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def post(url: str, body: bytes, headers: Mapping[str, str], networks: Sequence[Network]) -> Attempt:
    """POST to a URL on the Internet or in one of the `networks`. The name is resolved once, and
    the address that was looked at is the one that is connected to. Redirects are not followed."""
    try:
        target = _parts(url)
        address = _checked(target, networks)
        connection = _connection(target, address)
        try:
            path = target.path or "/"
            path += f"?{target.query}" if target.query else ""
            connection.request("POST", path, body, {"Host": target.netloc, **headers})
            answer = connection.getresponse()
            text = answer.read(SHOWN_BYTES).decode(errors="replace")
            return Attempt(200 <= answer.status < 300, answer.status, text)
        finally:
            connection.close()
    except (Denied, InvalidInput) as error:
        return Attempt(False, error=str(error))
    except (OSError, http.client.HTTPException) as error:
        return Attempt(False, error=f"No answer: {type(error).__name__}.")


def check(url: str, networks: Sequence[Network]) -> None:
    """Raise InvalidInput where a URL can't be a webhook's, or names an address that is not to be
    called. What only DNS knows is looked at when it is called."""
    target = _parts(url)
    assert target.hostname is not None
    local = target.hostname.rstrip(".") == "localhost"
    try:
        _checked(target, networks, 0 if local else socket.AI_NUMERICHOST)
    except Denied as error:
        raise InvalidInput(f"url: {error.message}", field="url", hint=error.hint) from None
    except OSError:
        pass  # It is a name.


def _parts(url: str) -> SplitResult:
    try:
        target = urlsplit(url)
        port = target.port
    except ValueError:
        raise InvalidInput(f"url: {shown(url)} is no URL.", field="url") from None
    if not target.hostname or port == 0 or target.scheme not in ("http", "https"):
        raise InvalidInput(f"url: {shown(url)} names no host.", field="url")
    if target.username is not None:
        raise InvalidInput("url: must hold no user and no password.", field="url")
    return target


def _checked(target: SplitResult, networks: Sequence[Network], flags: int = 0) -> Address:
    """The address to connect to. Raises Denied where any that the name has is not to be called."""
    assert target.hostname is not None
    found = socket.getaddrinfo(target.hostname, None, type=socket.SOCK_STREAM, flags=flags)
    addresses = [
        _plain(ipaddress.ip_address(str(entry[4][0]).partition("%")[0])) for entry in found
    ]
    for address in addresses:
        allowed = any(address in network for network in networks)
        if not allowed and not address.is_global:
            raise Denied(
                "The address is in a private network.",
                hint="An Owner may allow the network for webhooks.",
            )
        if not allowed and (target.scheme != "https" or address.is_multicast):
            raise Denied("Webhooks on the Internet are called over https alone.")
    return addresses[0]


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as one of IPv6 is what it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _connection(target: SplitResult, address: Address) -> http.client.HTTPConnection:
    port = target.port or (443 if target.scheme == "https" else 80)
    assert target.hostname is not None
    connection = http.client.HTTPConnection(target.hostname, port, timeout=TIMEOUT_SECONDS)
    plain = socket.create_connection((str(address), port), TIMEOUT_SECONDS)
    try:
        connection.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=target.hostname)
            if target.scheme == "https"
            else plain
        )
    except BaseException:
        plain.close()
        raise
    return connection
