"""A deployment that answers elsewhere: requests are sent on to there, and answers passed back."""

import asyncio
from functools import partial
from pathlib import Path

from ml_workspace_lab.endpoints.folder import Upstream
from ml_workspace_lab.endpoints.scoring.pages import Page, Served
from ml_workspace_lab.endpoints.scoring.passing import SERVER, as_sent, lines_of
from ml_workspace_lab.endpoints.scoring.peers import Answer, Missing, Peers
from ml_workspace_lab.endpoints.scoring.request import Request
from ml_workspace_lab.endpoints.scoring.watched import WatchedFile

IDLE_SECONDS = 0.5
"""For how long a connection is kept that nothing goes over: for less than one that leaves there
waits for a last request, so that none is closed under a request."""
_AWAY = "The deployment does not answer at present"


class Relay:
    """Sends requests to the address that a file has; a change of it counts from the next one."""

    def __init__(self, path: Path, named_line: str) -> None:
        self._file = WatchedFile[Upstream | None](path, Upstream, None)
        self._named_line = named_line
        self._peers = Peers()

    def send(self, request: Request) -> None:
        """Have it answered by the deployment."""
        self._look()
        then = partial(self._answered, request)
        upstream = self._file.found
        if upstream is None:
            asyncio.get_running_loop().call_soon(then, Missing.UNREACHED)
        else:
            target = upstream.path.encode("ascii") + request.target
            sent = as_sent(request, target, bearer=upstream.key)
            self._peers.ask(upstream.port, sent, then)

    def sweep(self, now: float) -> None:
        self._peers.sweep(now)

    def close(self) -> None:
        self._peers.keep_only(())

    def _look(self) -> None:
        try:
            is_new = self._file.look()
        except (OSError, ValueError):
            return
        if is_new and self._file.found is not None:
            self.close()
            self._peers = Peers(self._file.found.host, idle_seconds=IDLE_SECONDS)

    def _answered(self, request: Request, outcome: Answer | Missing) -> None:
        if isinstance(outcome, Answer) and _is_its_own(outcome):
            lines = self._named_line + lines_of(outcome)
            request.pass_on(outcome.status, lines, outcome.body)
        else:
            request.page.refuse(request, 503, _AWAY, "Retry-After: 1\r\n")


def _is_its_own(answer: Answer) -> bool:
    """Whether the deployment has said it, not something on the way there that could not reach
    it."""
    return any(name.lower() == SERVER for name, _ in answer.headers)


class RelayedPage(Page):
    """An address of the deployment. It says itself which methods that has, and how long a body may
    be."""

    def __init__(self, served: Served, relay: Relay, name: str, *, is_split: bool = False) -> None:
        super().__init__(served)
        self.name = name
        self.limit = served.settings.requests.max_body_bytes
        self.asks_for_key = self.is_split = is_split
        self._relay = relay

    def get(self, request: Request) -> None:
        self._relay.send(request)

    post = get


def relayed_pages(served: Served, relay: Relay) -> tuple[dict[bytes, Page], dict[str, Page]]:
    """Those of a deployment, and those of its model by what follows the model's name."""
    score, invocations, infer = (
        RelayedPage(served, relay, name, is_split=True)
        for name in ("score", "invocations", "infer")
    )
    document, health, ping, model = (
        RelayedPage(served, relay, name) for name in ("document", "health", "ping", "v2")
    )
    pages: dict[bytes, Page] = {
        b"/score": score,
        b"/invocations": invocations,
        b"/openapi.json": document,
        b"/swagger.json": document,
        b"/ping": ping,
        b"/health": ping,
        b"/v2": model,
        b"/v2/health/live": health,
        b"/v2/health/ready": health,
    }
    return pages, {"": model, "/ready": model, "/infer": infer}
