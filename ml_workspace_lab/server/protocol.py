"""A protocol of others over the same services: its own paths and error bodies, our checks."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from tornado import web

from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import (
    Denied,
    InvalidInput,
    NotFound,
    Unauthenticated,
    WorkspaceError,
    shown,
)
from ml_workspace_lab.mlflow.wire import Request, Response, Route
from ml_workspace_lab.server.address import address
from ml_workspace_lab.server.answering import INTERNAL, Answering, is_clients
from ml_workspace_lab.server.downloads import send
from ml_workspace_lab.server.host import WorkspaceHost
from ml_workspace_lab.server.threads import in_thread, in_thread_for

ErrorResponse = Callable[[WorkspaceError, str], Response]
NOBODY = Principal(name="nobody", role="none")
PATTERN_SIGNS = frozenset("()[]{}*+?|^$")


class MethodNotAllowed(InvalidInput):
    """The path is there, but not for this method."""

    status = 405


class Table:
    """The routes of a protocol, found by path: fixed ones at once, the others by their patterns in
    the order given."""

    def __init__(self, routes: Sequence[Route], error_response: ErrorResponse) -> None:
        self.error_response = error_response
        self._fixed: dict[str, dict[str, Route]] = {}
        patterns: dict[str, dict[str, Route]] = {}
        for route in routes:
            is_fixed = PATTERN_SIGNS.isdisjoint(route.pattern)
            methods = (
                self._fixed.setdefault(route.pattern.replace("\\", ""), {})
                if is_fixed
                else patterns.setdefault(route.pattern, {})
            )
            if route.method in methods:
                raise RuntimeError(f"{route.method} {route.pattern} is in the table twice")
            methods[route.method] = route
        self._patterns = [(re.compile(pattern), found) for pattern, found in patterns.items()]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and what its pattern's groups matched, as it was sent.

        Raises NotFound, and MethodNotAllowed.
        """
        methods = self._fixed.get(path)
        groups: dict[str, str] = {}
        if methods is None:
            methods, groups = self._match(path)
        if method not in methods:
            raise MethodNotAllowed(f"This path takes {', '.join(sorted(methods))}, not {method}.")
        return methods[method], groups

    def _match(self, path: str) -> tuple[dict[str, Route], dict[str, str]]:
        for pattern, methods in self._patterns:
            if match := pattern.fullmatch(path):
                groups = match.groupdict()
                return methods, {name: text for name, text in groups.items() if text is not None}
        raise NotFound(f"There is no path {shown(path)}.")


class ProtocolHandler(Answering):
    """Every path of a protocol below one mount."""

    table: ClassVar[Table]
    unknown = Unauthenticated

    def initialize(self, host: WorkspaceHost, mount: str) -> None:  # type: ignore[override]
        super().initialize(host)
        self._mount = mount

    async def enter(self) -> None:
        # Clients join a server's address and a path with one slash too many.
        path = "/" + self.request.path.removeprefix(self._mount).lstrip("/")
        self.route, groups = self.table.find(self.request.method or "", path)
        self._path = {name: _decoded(name, text) for name, text in groups.items()}
        principal = NOBODY if self.route.public else await self._identify()
        if principal is None:
            return
        self._connection: LocalConnection = self.host.kept_connection(principal) or await in_thread(
            self.host.connection, principal
        )
        self.body.expect(self.route.limit, self.request)

    async def _identify(self) -> Principal | None:
        try:
            return await self.identify()
        except web.HTTPError as error:
            if self.current_user is None:
                raise self.unknown("Who are you? The request has no login and no token.") from error
            raise

    async def principal_of(self, token: str) -> Principal | None:
        known = self.host.tokens.get(token)
        return known or await in_thread(self.host.tokens.check, token, self.host.principal)

    async def answer(self) -> None:
        query = {
            name: [_decoded(name, value) for value in values]
            for name, values in self.request.query_arguments.items()
        }
        request = Request(
            self._connection,
            self._path,
            query,
            self.body.content(),
            self.request.headers,
            address(self.request) + self._mount,
        )
        call = self.route.call
        if self.route.inline:
            await self._respond(call(request))
        else:
            asked = functools.partial(call, request)
            await self._respond(await in_thread_for(self.request.method, asked))

    async def _respond(self, response: Response) -> None:
        self.set_status(response.status)
        if isinstance(response.body, Content):
            await send(self, response.body, response.headers)
        else:
            self._finish_with(response, response.body)

    def _finish_with(self, response: Response, body: bytes) -> None:
        for name, value in response.headers.items():
            self.set_header(name, value)
        self.finish(body)

    def compute_etag(self) -> None:
        """None: no client of a protocol asks whether an answer has changed."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ARG002 - tornado's
        # Tornado has dropped all headers that were set before.
        self.set_header("X-Request-Id", self.request_id)
        error = _of_ours(kwargs.get("exc_info", (None, None, None))[1])
        response = self.table.error_response(error, self.request_id)
        assert isinstance(response.body, bytes)
        self.set_status(response.status)
        self.set_error_headers()
        self._finish_with(response, response.body)

    def _log(self) -> None:
        if self.get_status() >= 400:
            super()._log()


def _of_ours(error: object) -> WorkspaceError:
    if isinstance(error, WorkspaceError):
        return error
    if not is_clients(error):
        return WorkspaceError(INTERNAL)
    kind = Denied if error.status_code == 403 else InvalidInput
    return kind(error.reason or error.log_message or f"HTTP status {error.status_code}.")


def _decoded(name: str, given: str | bytes) -> str:
    try:
        text = unquote(given, errors="strict") if isinstance(given, str) else given.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{name}: is not UTF-8.", field=name) from None
    return text
