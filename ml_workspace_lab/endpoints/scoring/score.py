"""Requests that are scored: what they send, and what comes back."""

import sys
import traceback
from typing import Any

from ml_workspace_lab.endpoints.scoring.call import BadInput, Call, Reply, parsed
from ml_workspace_lab.endpoints.scoring.joining import AskedRows
from ml_workspace_lab.endpoints.scoring.pages import Page, Served
from ml_workspace_lab.endpoints.scoring.payload import WRAPPERS, encode
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.quick_rows import quick_rows
from ml_workspace_lab.endpoints.scoring.request import Request
from ml_workspace_lab.endpoints.scoring.responses import FAILED_LINE, FINE_LINE, fields
from ml_workspace_lab.endpoints.scoring.turns import Busy, TimedOut, Turns

MAX_READ_AT_ONCE = 16 * 1024
"""A longer body is read in the thread."""
_JSON = (b"", b"application/json")
_WRAPPERS = ("", *WRAPPERS)
SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


class ScoringPage(Page):
    """Has requests scored when it is their turn.

    Who may not ask is known before the body comes, and told when it has come and been thrown away:
    an answer to one who is still sending would be lost.
    """

    name = "score"
    asks_for_key = True
    is_split = True

    def __init__(self, served: Served, turns: Turns) -> None:
        super().__init__(served)
        self.limit = served.settings.requests.max_body_bytes
        self._turns = turns
        self._rower: Predictor | None = None
        if isinstance(served.loaded, Predictor) and served.loaded.is_row_wise:
            self._rower = served.loaded

    def work(self, call: Call) -> Reply:
        """The reply to a request, made in the thread of the user's code. Raises BadInput."""
        raise NotImplementedError

    def rows(self, body: bytes | bytearray) -> list[list[Any]] | None:
        """The rows in the JSON of a body, for a model that takes those of several requests at once;
        None where there is more to it than rows. Raises BadInput."""
        raise NotImplementedError

    def shown(self, predictions: Any) -> Any:
        """What is answered, as JSON, where those are the predictions."""
        raise NotImplementedError

    def score(self, request: Request) -> None:
        """Answer when it is its turn, or have a worker answer that is less busy."""
        fellows = self._turns.fellows
        if fellows is not None and fellows.lend(request):
            return
        try:
            self._turns.add(self._asked(request))
        except (BadInput, Busy) as error:
            self.fail(request, error)

    def _asked(self, request: Request) -> "Asked | AskedRows":
        if (
            self._rower is not None
            and request.method == "POST"
            and request.size <= MAX_READ_AT_ONCE
            and request.named.get(b"content-type", b"") in _JSON
            and (rows := self.rows(request.body)) is not None
        ):
            return AskedRows(self, request, self._rower, rows)
        return Asked(self, request)

    def reply(self, request: Request, reply: Reply, lines: str, milliseconds: float) -> None:
        """Answer with a reply, whose header fields are in `lines`."""
        took = f"x-ms-run-fn-exec-ms: {milliseconds:.3f}\r\n"
        request.answer(reply.status, lines + took, reply.body)

    def fail(self, request: Request, error: Exception) -> None:
        """Answer with what went wrong."""
        if isinstance(error, BadInput):
            self.refuse(request, error.status, str(error))
        elif isinstance(error, Busy):
            self.refuse(request, 503, str(error), f"Retry-After: {error.seconds}\r\n")
        elif isinstance(error, TimedOut):
            self._raised(request, error, "", str(error))
        else:
            told = "".join(traceback.format_exception(error))
            print(told, file=sys.stderr, flush=True)  # noqa: T201
            # Whoever deployed it sees the traceback; its callers don't.
            self._raised(request, error, told, told if request.is_trusted else SCRIPT_FAILED)

    def _raised(self, request: Request, error: Exception, told: str, message: str) -> None:
        failures = self.served.failures
        failures.current = failures.note(error, told, request.own_id)
        self.refuse(request, 500, message, FAILED_LINE)
        failures.current = ""


class Asked:
    """A request that waits for its turn, by itself."""

    key: object = None
    rows = 1
    size = 0
    arrived = 0.0

    def __init__(self, page: ScoringPage, request: Request) -> None:
        self.page = page
        self.request = request

    @property
    def is_gone(self) -> bool:
        return self.request.is_gone

    def work(self) -> tuple[Reply, str]:
        """The reply with its header fields. Raises what the scorer raises, and ValueError where the
        fields are none."""
        reply = self.page.work(self.request.call())
        if not 200 <= reply.status <= 599:
            raise ValueError(f"the answer has the status {reply.status}")
        return reply, _lines(reply)

    def settle(self, done: Any, milliseconds: float) -> None:
        reply, lines = done
        self.page.reply(self.request, reply, lines, milliseconds)

    def fail(self, error: Exception) -> None:
        self.page.fail(self.request, error)


class ScorePage(ScoringPage):
    """Azure's path: a body, or for GET the query's parameters in place of it."""

    def get(self, request: Request) -> None:
        self.score(request)

    post = get

    def rows(self, body: bytes | bytearray) -> list[list[Any]] | None:
        assert self._rower is not None
        found = quick_rows(body, _WRAPPERS)
        if found is not None and self._rower.fit(found):
            return found
        return self._rower.rows(parsed(bytes(body)))

    def shown(self, predictions: Any) -> Any:
        return predictions

    def work(self, call: Call) -> Reply:
        answer: Any = self.served.scorer.answer(call)
        if isinstance(answer, Reply):
            return answer
        return Reply(encode({} if answer is None else answer))


def _lines(reply: Reply) -> str:
    """The header fields of a reply; whether scoring failed is what it says itself, else told by its
    status."""
    lines = fields(reply.headers)
    if reply.status >= 500:
        own = [(n, v) for n, v in reply.headers if n.lower() != "x-ms-run-function-failed"]
        return FAILED_LINE + fields(own)
    if any(name.lower() == "x-ms-run-function-failed" for name, _ in reply.headers):
        return lines
    return FINE_LINE + lines
