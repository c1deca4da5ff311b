"""What every answer has in common, whichever server it comes from: a caller, a body, errors."""

import asyncio
import json
import secrets
from typing import Any, ClassVar, TypeGuard

from tornado import web
from tornado.log import app_log

from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.errors import Denied, Unauthenticated, Unavailable, WorkspaceError
from ml_workspace_lab.server.body import RequestBody, is_heard_out
from ml_workspace_lab.server.host import WorkspaceHost
from ml_workspace_lab.server.threads import in_thread

JSON = "application/json"
INTERNAL = "Something went wrong inside; the server's log has it under this request id."


@web.stream_request_body
class Answering(web.RequestHandler):
    """A request's way: may it come in, who sends it, its body, the answer.

    A server's own part is `admit` and `identify`; a path's own part is `enter` and `answer`.
    """

    unknown: ClassVar[type[Denied]] = Unauthenticated
    """What is raised where nobody is known to be asking."""

    def admit(self) -> None:
        """Raise Denied where the request is not meant for this server."""
        raise NotImplementedError

    async def identify(self) -> Principal | None:
        """Who is asking; None where the server has answered by itself. Raises `unknown`."""
        raise NotImplementedError

    async def enter(self) -> None:
        """Raise where the request is refused; say which body is expected."""
        raise NotImplementedError

    async def answer(self) -> None:
        """Do what was asked. The body is there."""
        raise NotImplementedError

    def initialize(self, host: WorkspaceHost) -> None:
        self.host = host
        self.request_id = secrets.token_hex(8)
        self.body = RequestBody()
        self._refusal: WorkspaceError | web.HTTPError | None = None
        self._is_called = False
        self.error_headers: dict[str, str] = {}

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", JSON)

    async def prepare(self) -> None:
        """Decide before any body is read. A refusal is told when all of the request has come: the
        connection would end with it before, so that a client that is still sending, or asks again
        at once, would not be answered."""
        self.set_header("X-Request-Id", self.request_id)
        self.host.underway.add(self)
        try:
            if self.host.ending:
                raise Unavailable("The server is about to end.", hint="Try again in a moment.")
            self.admit()
            await self.enter()
        except (WorkspaceError, web.HTTPError) as error:
            if not is_heard_out(self.request):
                raise
            self._refusal = error
            self.body.expect(0, self.request)

    async def principal_of(self, token: str) -> Principal | None:
        """Whom a token of ours speaks for at this moment."""
        found: Principal | None = await in_thread(self.host.principal, token)
        return found

    def data_received(self, chunk: bytes) -> None:
        self.body.receive(chunk)

    async def get(self, *_: str) -> None:
        await self._after_the_body()

    async def put(self, *_: str) -> None:
        await self._after_the_body()

    async def post(self, *_: str) -> None:
        await self._after_the_body()

    async def patch(self, *_: str) -> None:
        await self._after_the_body()

    async def delete(self, *_: str) -> None:
        await self._after_the_body()

    async def _after_the_body(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        self._is_called = True
        await self.answer()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        sent = super().finish(chunk)
        sent.add_done_callback(lambda _: self.host.underway.discard(self))
        return sent

    def on_finish(self) -> None:
        self.body.close()
        super().on_finish()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if not self._is_called:
            self.host.underway.discard(self)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        # Tornado has dropped all headers that were set before.
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("Content-Type", JSON)
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, WorkspaceError):
            self.set_status(error.status)
            body = _body(error.error_code, error.message, error.field, error.hint)
        elif is_clients(error):
            body = _body(f"Http{status_code}", error.reason or self._reason, None, None)
        else:
            body = _body("InternalError", INTERNAL, None, None)
        self.set_error_headers()
        self.finish(json.dumps({**body, "request_id": self.request_id}))

    def set_error_headers(self) -> None:
        if self.get_status() == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        if self.get_status() == 503:
            self.set_header("Retry-After", "5")
        for name, value in self.error_headers.items():
            self.set_header(name, value)

    def log_exception(self, *exc_info: Any) -> None:
        if not isinstance(exc_info[1], WorkspaceError) and not is_clients(exc_info[1]):
            app_log.error("Request %s failed", self.request_id)
            super().log_exception(*exc_info)


def is_clients(error: object) -> TypeGuard[web.HTTPError]:
    """Whether the error is tornado's or Jupyter's word for a fault of the client."""
    return isinstance(error, web.HTTPError) and error.status_code < 500


def _body(code: str, message: str, field: str | None, hint: str | None) -> dict[str, str | None]:
    return {"error_code": code, "message": message, "field": field, "hint": hint}
