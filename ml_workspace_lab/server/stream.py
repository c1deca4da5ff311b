"""The live stream of events: batches as server-sent events, only when there is news."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from tornado.iostream import StreamClosedError

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.server.answering import Answering
from ml_workspace_lab.server.threads import in_thread
from ml_workspace_lab.workspace.model import EventBatch

INTERVAL = 0.2
SHARE = 0.2
"""Of its time a subscriber looks for news at most: where that takes long, it is done less often."""
KEEP_ALIVE_SECONDS = 15.0


class EventStream:
    """One subscriber: asks for the next batch again and again, and sends those that differ."""

    def __init__(
        self, handler: Answering, call: Callable[..., Any], arguments: msgspec.Struct
    ) -> None:
        self._handler = handler
        self._call = call
        self._arguments = arguments

    async def run(self) -> None:
        """Send until the subscriber leaves or the server ends. Starts after `Last-Event-ID` where
        that is given."""
        handler = self._handler
        handler.set_header("Content-Type", "text/event-stream")
        handler.set_header("X-Accel-Buffering", "no")
        arguments = self._resume(self._arguments)
        live: Any = None
        silent = KEEP_ALIVE_SECONDS
        stream = handler.request.connection.stream  # type: ignore[union-attr]
        while not stream.closed() and not handler.host.ending:
            began = time.monotonic()
            batch: EventBatch = await in_thread(self._call, arguments)
            pause = max(INTERVAL, (time.monotonic() - began) * (1 - SHARE) / SHARE)
            try:
                if batch.events or batch.live != live:
                    await self._send(batch)
                    live, silent = batch.live, 0.0
                elif silent >= KEEP_ALIVE_SECONDS:
                    handler.write(": still here\n\n")
                    await handler.flush()
                    silent = 0.0
            except StreamClosedError:
                return
            arguments = msgspec.structs.replace(arguments, after=batch.next)
            await asyncio.sleep(pause)
            silent += pause

    async def _send(self, batch: EventBatch) -> None:
        data = msgspec.json.encode(batch).decode()
        self._handler.write(f"id: {batch.next}\ndata: {data}\n\n")
        await self._handler.flush()

    def _resume(self, arguments: msgspec.Struct) -> msgspec.Struct:
        last = self._handler.request.headers.get("Last-Event-ID")
        if last is None:
            return arguments
        if not last.isdecimal():
            raise InvalidInput("Last-Event-ID: is not a number.", field="Last-Event-ID")
        return msgspec.structs.replace(arguments, after=int(last))
