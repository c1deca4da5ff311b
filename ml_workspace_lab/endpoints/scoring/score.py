"""Requests that are scored: who may, what they send, and what comes back."""

import traceback
from typing import Any

from tornado import web

from ml_workspace_lab.endpoints.scoring.call import BadInput, Call, Reply
from ml_workspace_lab.endpoints.scoring.handlers import Handler
from ml_workspace_lab.endpoints.scoring.payload import encode
from ml_workspace_lab.endpoints.scoring.worker import Busy, TimedOut

SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


@web.stream_request_body
class ScoringHandler(Handler):
    """Hands a request to the scorer.

    Who may not ask is known before the body comes, and told when it has come and been thrown away:
    an answer to one who is still sending would be lost.
    """

    def prepare(self) -> None:
        super().prepare()
        self._body = bytearray()
        self._refusal: tuple[int, str] | None = None
        if self._finished or self.request.method == "OPTIONS":
            return
        who = self.served.keys.who(self.request.headers.get("Authorization", ""))
        if who is None:
            self.set_header("WWW-Authenticate", "Bearer")
            self._refusal = 401, "Send one of the endpoint's keys: Authorization: Bearer KEY"
        self._trusted = who == "workspace"

    def data_received(self, chunk: bytes) -> None:
        limit = self.served.settings.requests.max_body_bytes
        if self._refusal is None and len(self._body) + len(chunk) > limit:
            self._refusal = 413, f"The body is over the limit of {_size(limit)}"
        if self._refusal is None:
            self._body += chunk

    def work(self, call: Call) -> Reply:
        """The reply to a request, made in the thread of the user's code. Raises BadInput."""
        raise NotImplementedError

    async def score(self) -> None:
        if self._refusal is not None:
            self.refuse(*self._refusal)
            return
        request = self.request
        call = Call(
            bytes(self._body),
            request.method or "",
            request.uri or "",
            list(request.headers.get_all()),
        )
        try:
            done = await self.served.worker.run(lambda: self.work(call))
        except BadInput as error:
            self.refuse(error.status, str(error))
        except Busy as error:
            self.set_header("Retry-After", str(error.seconds))
            self.refuse(503, str(error))
        except TimedOut as error:
            self._failed(str(error))
        except Exception:  # noqa: BLE001 - the user's code may raise anything
            traceback.print_exc()
            # Whoever deployed it sees the traceback; its callers don't.
            self._failed(traceback.format_exc() if self._trusted else SCRIPT_FAILED)
        else:
            self._reply(done.value, done.milliseconds)

    def _failed(self, message: str) -> None:
        self.set_header("x-ms-run-function-failed", "True")
        self.refuse(500, message)

    def _reply(self, reply: Reply, milliseconds: float) -> None:
        self.set_status(reply.status)
        for name in {name for name, _ in reply.headers}:
            self.clear_header(name)
        for name, value in reply.headers:
            self.add_header(name, value)
        if reply.status >= 500:
            self.set_header("x-ms-run-function-failed", "True")
        self.set_header("x-ms-run-fn-exec-ms", f"{milliseconds:.3f}")
        self.finish(reply.body or None)


class ScoreHandler(ScoringHandler):
    """Azure's path: a body, or for GET the query's parameters in place of it."""

    async def post(self) -> None:
        await self.score()

    async def get(self) -> None:
        await self.score()

    def work(self, call: Call) -> Reply:
        answer: Any = self.served.scorer.answer(call)
        if isinstance(answer, Reply):
            return answer
        return Reply(encode({} if answer is None else answer))


def _size(count: int) -> str:
    return f"{count // 1024**2} MiB" if count >= 1024**2 else f"{count} bytes"
