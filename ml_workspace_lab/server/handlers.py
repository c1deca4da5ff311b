"""Operations as HTTP: permission, decoding, the call and the answer, each once."""

import functools
from typing import Any, ClassVar

import msgspec
from tornado import web

from ml_workspace_lab.api.gate import Gate
from ml_workspace_lab.api.openapi import text
from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.api.strict_json import convert, decode
from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.server.answering import JSON, Answering
from ml_workspace_lab.server.downloads import send
from ml_workspace_lab.server.stream import EventStream
from ml_workspace_lab.server.threads import in_thread, in_thread_for


class OperationHandler(Answering):
    """All operations of one path. Bodies are limited while they come, not when they are there."""

    operations: ClassVar[dict[str, tuple[str, Operation]]] = {}

    async def enter(self) -> None:
        principal = await self.identify()
        if principal is None:
            return
        if self.request.method not in self.operations:
            allowed = ", ".join(sorted(self.operations))
            self.error_headers["Allow"] = allowed
            raise web.HTTPError(405, reason=f"This path takes {allowed}")
        self.service, self.operation = self.operations[self.request.method]
        self._track_activity = not self.operation.streams_events
        self.gate = Gate(principal, await in_thread(self.host.services), self.request_id)
        self.arguments_ = self._decode_arguments()
        await in_thread(self.gate.check, self.operation, self.arguments_)
        self.body.expect(self.operation.body_limit, self.request)

    async def answer(self) -> None:
        content = self.body.content()
        service = await in_thread(self.host.service, self.service)
        call = functools.partial(self.gate.call, service, self.operation)
        if self.operation.streams_events and self._wants_stream():
            await EventStream(self, call, self.arguments_).run()
            return
        body = await in_thread(self._decode_body)
        given = content if self.operation.uploads else None
        asked = functools.partial(call, self.arguments_, body=body, content=given)
        result = await in_thread_for(self.request.method, asked)
        if self.operation.action == "tokens/delete":
            self.host.tokens.forget()
        if isinstance(result, Content):
            await send(self, result, {"X-Media-Type": result.media_type})
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
        return convert(values, self.operation.arguments, lax=True, kept=True)

    def _decode_body(self) -> msgspec.Struct | None:
        if self.operation.body is None:
            return None
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise InvalidInput(
                "The body must be JSON.",
                field="Content-Type",
                hint="Send it with Content-Type: application/json.",
            )
        return decode(self.body.content().read(), self.operation.body, kept=True)


class OpenApiHandler(Answering):
    """The OpenAPI document of this API."""

    async def enter(self) -> None:
        if self.request.method != "GET":
            self.error_headers["Allow"] = "GET"
            raise web.HTTPError(405, reason="This path takes GET")
        await self.identify()

    async def answer(self) -> None:
        self.finish(text())


class UnknownPathHandler(Answering):
    """Any path of the API that no operation has."""

    async def enter(self) -> None:
        raise NotFound("The API has no such path.", hint="/openapi.json lists those there are.")

    async def answer(self) -> None:
        """Never: `enter` refuses."""
