"""A server of our own: one process that serves one workspace, without Jupyter."""

import asyncio
import errno
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tornado import httputil, web
from tornado.httpserver import HTTPServer
from tornado.log import access_log
from tornado.netutil import bind_sockets

from ml_workspace_lab.access.model import CreatedToken, CreateToken
from ml_workspace_lab.errors import Conflict, InvalidInput, WorkspaceError, shown
from ml_workspace_lab.server.alone import Alone, Entry, in_url
from ml_workspace_lab.server.awake import keep_awake
from ml_workspace_lab.server.host import WorkspaceHost
from ml_workspace_lab.server.routes import NAMESPACE, check, protocol_route, routes

GRACE_SECONDS = 5.0
REVOKE_SECONDS = 2.0
POLL_SECONDS = 0.02
TOKEN_DAYS = 365
READ_AT_ONCE = 1024 * 1024
"""Headers up to this size are read, so that those over the limit get an answer that says so."""
MOST_ARGUMENTS = 20_000
"""Arguments of a query: room for a thousand ids and more, and few enough to be read at once."""
WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True)
class Ready:
    """What a client needs. `token` is None where none is asked for."""

    url: str
    token: str | None
    pid: int


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets; port 0 is a free one. Raises Conflict where the port is taken and
    InvalidInput where there is no such address here."""
    if not 0 <= port <= 65535:
        raise InvalidInput("port: must lie between 0 and 65535.", field="port")
    if not host:
        raise InvalidInput(
            "host: is empty.", field="host", hint="0.0.0.0 is every address of this machine."
        )
    try:
        return bind_sockets(port, host.strip("[]"))
    except socket.gaierror:
        raise _no_address(host) from None
    except PermissionError:
        raise InvalidInput(
            f"Port {port} may not be used by this account.",
            field="port",
            hint="Take one above 1023.",
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise _no_address(host) from None
        raise Conflict(
            f"{in_url(host)}:{port} can't be listened on: {error.strerror}.",
            field="port",
            hint="Name another port, or 0 for a free one.",
        ) from None


def _no_address(host: str) -> InvalidInput:
    return InvalidInput(f"{shown(host)} is no address of this machine.", field="host")


def application(host: WorkspaceHost, rules: Entry) -> web.Application:
    """The API at the paths it has in Jupyter, and the protocol at its mount and at the root.

    Raises UndeclaredRoute.
    """
    # First, since every client of the protocol comes this way.
    at_root = protocol_route(host, Alone, "", f"(?!{NAMESPACE}/)")
    handlers = [at_root, *routes(host, Alone)]
    made = web.Application(handlers, entry=rules, log_function=_log_failure)
    check(made.default_router, below="")
    return made


async def serve(
    workspace: Path,
    sockets: list[socket.socket],
    address: str,
    rules: Entry,
    announce: Callable[[Ready], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way, for 5 s at most.

    `announce` is called once the server answers.
    """
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _end, ending)
    host = WorkspaceHost(Path.cwd(), workspace)
    _take_long_queries()
    server = HTTPServer(application(host, rules), max_header_size=READ_AT_ONCE)
    made = None if rules.token or rules.is_open else _make_token(host)
    try:
        server.add_sockets(sockets)
        gc.freeze()  # What has been loaded stays: no collection during a request goes through it.
        announce(Ready(_url(address, sockets), made.token if made else rules.token, os.getpid()))
        watch = asyncio.create_task(keep_awake(host))
        await ending.wait()
        watch.cancel()
        await _drain(server, host)
    finally:
        if made is not None:
            await _revoke(host, made)
    if host.underway:
        os._exit(0)  # Their threads would be waited for, however long they take.


def _take_long_queries() -> None:
    """Tornado's own limit of 1,000 arguments, where it has one, is for the whole process, and what
    is over it is answered without a reason."""
    if hasattr(httputil, "ParseUrlEncodedConfig"):
        queries = httputil.ParseUrlEncodedConfig(max_arguments=MOST_ARGUMENTS)
        httputil.set_parse_body_config(httputil.ParseBodyConfig(urlencoded=queries))


def _url(address: str, sockets: list[socket.socket]) -> str:
    name = WILDCARDS.get(in_url(address), in_url(address))
    return f"http://{name}:{sockets[0].getsockname()[1]}"


def _end(ending: asyncio.Event) -> None:
    ending.set()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)  # A second one ends the process at once.


async def _drain(server: HTTPServer, host: WorkspaceHost) -> None:
    host.ending = True
    server.stop()
    server.conn_params.no_keep_alive = True
    for _ in range(round(GRACE_SECONDS / POLL_SECONDS)):
        if not host.underway:
            return
        await asyncio.sleep(POLL_SECONDS)


def _make_token(host: WorkspaceHost) -> CreatedToken:
    body = CreateToken(f"serve, process {os.getpid()}", days=TOKEN_DAYS)
    return host.connection(host.user).tokens.create(body)


async def _revoke(host: WorkspaceHost, made: CreatedToken) -> None:
    revoke = host.connection(host.user).tokens.revoke
    # A workspace that was deleted meanwhile, or that is busy, must not keep the process here.
    with suppress(WorkspaceError, TimeoutError):
        await asyncio.wait_for(asyncio.to_thread(revoke, made.info.token_id), REVOKE_SECONDS)


def _log_failure(handler: web.RequestHandler) -> None:
    is_farewell = isinstance(handler, Alone) and handler.host.ending
    if handler.get_status() >= 500 and not is_farewell:
        request = handler.request
        access_log.error("%d %s %s", handler.get_status(), request.method, request.path)


def log_to_error_stream() -> None:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
