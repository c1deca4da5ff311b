"""Operations as HTTP: identity, permission, decoding, the call and the answer, each once."""

import asyncio
import functools
import json
import re
import secrets
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, ClassVar
from urllib.parse import quote

import msgspec
from jupyter_server.auth import User
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async
from tornado import web

from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.gate import Gate
from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.api.strict_json import convert, decode
from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import Denied, InvalidInput, NotFound, TooLarge, WorkspaceError
from ml_workspace_lab.server.host import WorkspaceHost
from ml_workspace_lab.server.stream import EventStream

OWN_TOKEN = re.compile(r"^bearer\s+(mlws_\S+)$", re.IGNORECASE)
SANDBOX = "sandbox; default-src 'none'"
IN_MEMORY = 1024 * 1024
DISCARDED = 64 * 1024 * 1024

# The loop carries every kernel's traffic: what touches a disk happens in these threads.
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ml-workspace")


async def in_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    call = functools.partial(function, *arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_threads, call)


class ApiHandler(APIHandler):
    """What every answer of the API has in common: an identity, a request id, errors as JSON."""

    principal: Principal
    host: WorkspaceHost

    def initialize(self, host: WorkspaceHost) -> None:
        self.host = host
        self.request_id = secrets.token_hex(8)

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    async def prepare(self) -> None:  # type: ignore[override]
        """Find out who is asking and check their right to it, before any body is read."""
        self.set_header("X-Request-Id", self.request_id)
        token = await self._own_token()
        await super().prepare()
        if self._finished:
            return
        if self.current_user is None:
            raise Denied("Who are you? The request has no login and no token.")
        principal = await in_thread(self.host.principal, token)
        if principal is None:
            raise Denied("The token is not (or no longer) one of this workspace.")
        self.principal = principal
        await self._ask_jupyter()

    async def _own_token(self) -> str | None:
        """A token of ours is an explicit identity: no cookie, no XSRF check, no Jupyter login."""
        match = OWN_TOKEN.match(self.request.headers.get("Authorization", ""))
        if match is None:
            return None
        principal = await in_thread(self.host.principal, match[1])
        if principal is not None:
            self.current_user = self._jupyter_current_user = User(username=principal.name)
            self._token_authenticated = True
        return match[1]

    async def _ask_jupyter(self) -> None:
        """The server's own authorizer (an administrator's) may forbid more, never allow more."""
        action = "read" if self.request.method in ("GET", "HEAD") else "write"
        allowed = await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, action, "ml_workspace_lab")
        )
        if not allowed:
            raise Denied(f"This Jupyter server's rules forbid you to {action} workspaces.")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        # Tornado has dropped all headers that were set before.
        self.set_header("X-Request-Id", self.request_id)
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, WorkspaceError):
            self.set_status(error.status)
            body = _body(error.error_code, error.message, error.field, error.hint)
        elif isinstance(error, web.HTTPError) and error.status_code < 500:
            body = _body(f"Http{status_code}", error.reason or self._reason, None, None)
        else:
            body = _body(
                "InternalError",
                "Something went wrong inside; the server's log has it under this request id.",
                None,
                None,
            )
        self.finish(json.dumps({**body, "request_id": self.request_id}))

    def log_exception(self, *exc_info: Any) -> None:
        if not isinstance(exc_info[1], WorkspaceError):
            self.log.error("Request %s failed", self.request_id)
            super().log_exception(*exc_info)


@web.stream_request_body
class OperationHandler(ApiHandler):
    """All operations of one path. Bodies are limited while they come, not when they are there."""

    operations: ClassVar[dict[str, tuple[str, Operation]]] = {}
    _body_file: IO[bytes]

    async def prepare(self) -> None:  # type: ignore[override]
        self._received = 0
        self._body_file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - on_finish closes it
        await super().prepare()
        if self._finished:
            return
        if self.request.method not in self.operations:
            raise web.HTTPError(405, reason=f"This path takes {', '.join(sorted(self.operations))}")
        self.service, self.operation = self.operations[self.request.method]
        self._track_activity = not self.operation.streams_events
        self.gate = Gate(self.principal, await in_thread(self.host.services), self.request_id)
        self.arguments_ = self._decode_arguments()
        await in_thread(self.gate.check, self.operation, self.arguments_)
        self._limit_body()

    def _limit_body(self) -> None:
        """Refuse a body that is far too large at once; one that is a little too large is let come
        and thrown away, since a client that is still sending would not see the answer."""
        longest = self.operation.body_limit + DISCARDED
        self.request.connection.set_max_body_size(longest)  # type: ignore[union-attr]
        length = self.request.headers.get("Content-Length", "0")
        if length.isdecimal() and int(length) > longest:
            raise self._too_large()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code == 405:
            self.set_header("Allow", ", ".join(sorted(self.operations)))
        super().write_error(status_code, **kwargs)

    def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received <= self.operation.body_limit:
            self._body_file.write(chunk)

    def on_finish(self) -> None:
        self._body_file.close()
        super().on_finish()

    async def get(self, *_: str) -> None:
        await self._answer()

    async def put(self, *_: str) -> None:
        await self._answer()

    async def post(self, *_: str) -> None:
        await self._answer()

    async def patch(self, *_: str) -> None:
        await self._answer()

    async def delete(self, *_: str) -> None:
        await self._answer()

    async def _answer(self) -> None:
        if self._received > self.operation.body_limit:
            raise self._too_large()
        service = await in_thread(self.host.service, self.service)
        call = functools.partial(self.gate.call, service, self.operation)
        if self.operation.streams_events and self._wants_stream():
            await EventStream(self, call, self.arguments_).run()
            return
        body = await in_thread(self._decode_body)
        self._body_file.seek(0)
        content = self._body_file if self.operation.uploads else None
        result = await in_thread(call, self.arguments_, body=body, content=content)
        if isinstance(result, Content):
            await self._send(result)
        else:
            self.finish(await in_thread(msgspec.json.encode, result))

    def _wants_stream(self) -> bool:
        return "text/event-stream" in self.request.headers.get("Accept", "")

    def _decode_arguments(self) -> msgspec.Struct:
        values: dict[str, Any] = dict(zip(self.operation.path_names, self.path_args, strict=True))
        for name, given in self.request.query_arguments.items():
            # What Jupyter itself puts into a query (a time, against caches) is none of ours.
            if name in ("token", "no_track_activity") or name.isdecimal():
                continue
            if name not in self.operation.query_names:
                known = ", ".join(self.operation.query_names) or "none"
                raise InvalidInput(
                    f"{name}: is not a query argument of this path.",
                    field=name,
                    hint=f"It takes: {known}.",
                )
            values[name] = self.decode_argument(given[-1], name)
        return convert(values, self.operation.arguments, lax=True)

    def _decode_body(self) -> msgspec.Struct | None:
        if self.operation.body is None:
            return None
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise InvalidInput(
                "The body must be JSON.",
                field="Content-Type",
                hint="Send it with Content-Type: application/json.",
            )
        self._body_file.seek(0)
        return decode(self._body_file.read(), self.operation.body)

    async def _send(self, content: Content) -> None:
        """Bytes that somebody uploaded: never run, never rendered, whatever they claim to be."""
        self.set_header("X-Media-Type", content.media_type)
        self.set_header("Content-Security-Policy", SANDBOX)
        self.set_header("X-Content-Type-Options", "nosniff")
        name = quote(content.filename, safe="")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
        self.set_header("Content-Length", str(content.size))
        self.set_header("Content-Type", "application/octet-stream")
        with content.stream as stream:
            while part := await in_thread(stream.read, IN_MEMORY):
                self.write(part)
                await self.flush()
        self.finish(set_content_type="application/octet-stream")

    def _too_large(self) -> TooLarge:
        limit = self.operation.body_limit
        return TooLarge(
            f"The body is over this path's limit of {limit / 1024**2:g} MiB.",
            hint="Send it in parts, or as an artifact.",
        )


class UnknownPathHandler(ApiHandler):
    """Any path of the API that no operation has."""

    @allow_unauthenticated
    async def prepare(self) -> None:  # type: ignore[override]
        raise NotFound("The API has no such path.", hint="/openapi.json lists those there are.")


def _body(code: str, message: str, field: str | None, hint: str | None) -> dict[str, str | None]:
    return {"error_code": code, "message": message, "field": field, "hint": hint}
