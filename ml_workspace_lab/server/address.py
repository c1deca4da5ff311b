"""Where a client reaches this server, as it or a proxy before us says."""

import re

from tornado.httputil import HTTPServerRequest

_HOST = re.compile(r"[\w.\-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")


def address(request: HTTPServerRequest) -> str:
    """Scheme and host, for an address that is given to this client alone: one that makes them up
    deceives itself."""
    scheme = _first(request, "X-Forwarded-Proto")
    host = _first(request, "X-Forwarded-Host")
    scheme = scheme if scheme in ("http", "https") else request.protocol
    return f"{scheme}://{host if _HOST.fullmatch(host) else request.host}"


def _first(request: HTTPServerRequest, header: str) -> str:
    return request.headers.get(header, "").partition(",")[0].strip().lower()
