"""A request as it goes to another deployment, and its answer as it goes to who asked."""

from ml_workspace_lab.endpoints.scoring.peers import Answer
from ml_workspace_lab.endpoints.scoring.request import Request

_OF_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
     b"upgrade", b"expect", b"content-length")
)  # fmt: skip
"""Header fields that concern one connection, and those that say how long a body is."""
SERVER = b"x-ms-server-version"
"""The header field by which an answer of ours is known."""
_OF_SERVER = _OF_CONNECTION | {b"date", b"x-content-type-options", SERVER}
"""Those that every answer of ours has."""


def as_sent(request: Request, target: bytes | None = None, bearer: str | None = None) -> bytes:
    """The bytes of a request as it came, but for what concerns its connection; to another `target`,
    or with the key `bearer` in place of its own, where there is one."""
    left_out = _OF_CONNECTION if bearer is None else _OF_CONNECTION | {b"authorization"}
    line = request.method.encode("ascii"), target or request.target
    head = [b"%b %b HTTP/1.1\r\n" % line]
    head += [
        b"%b: %b\r\n" % (name, value)
        for name, value in request.headers
        if name.lower() not in left_out
    ]
    if bearer is not None:
        head.append(b"Authorization: Bearer %b\r\n" % bearer.encode("ascii"))
    head.append(b"Content-Length: %d\r\n\r\n" % len(request.body))
    return b"".join(head) + request.body


def lines_of(answer: Answer) -> str:
    """The header fields of an answer that are its own, as lines."""
    own = [
        b"%b: %b\r\n" % (name, value)
        for name, value in answer.headers
        if name.lower() not in _OF_SERVER
    ]
    return b"".join(own).decode("latin-1")
