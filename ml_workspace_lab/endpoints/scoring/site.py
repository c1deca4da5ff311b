"""What a deployment answers: which path is which page, who may ask, and what is told of it."""

import asyncio
import traceback
from time import perf_counter
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from ml_workspace_lab.endpoints.scoring import inference
from ml_workspace_lab.endpoints.scoring.fellows import LENT, Fellows
from ml_workspace_lab.endpoints.scoring.inference import (
    InferPage,
    ModelPage,
    ModelReadyPage,
    ServerHealthPage,
    ServerPage,
)
from ml_workspace_lab.endpoints.scoring.invocations import InvocationsPage, PingPage
from ml_workspace_lab.endpoints.scoring.metrics import Metrics, MetricsPage
from ml_workspace_lab.endpoints.scoring.pages import (
    DocumentPage,
    HealthPage,
    NothingPage,
    Page,
    Served,
)
from ml_workspace_lab.endpoints.scoring.relay import Relay, relayed_pages
from ml_workspace_lab.endpoints.scoring.request import Refusal, Request
from ml_workspace_lab.endpoints.scoring.request_log import RequestLog
from ml_workspace_lab.endpoints.scoring.routing import Router
from ml_workspace_lab.endpoints.scoring.score import ScorePage
from ml_workspace_lab.endpoints.scoring.turns import Turns

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.connection import Connection

MAX_URI = 8 * 1024
NO_KEY = Refusal(
    401,
    "Send one of the endpoint's keys: Authorization: Bearer KEY",
    "WWW-Authenticate: Bearer\r\n",
)


class Observer(Protocol):
    """Is told of answers that are about to be sent, and holds none of them up."""

    def answered(
        self, request: Request, status: int, lines: str, answer: bytes, seconds: float
    ) -> None: ...
    def counts(self) -> dict[str, dict[str, int]]:
        """What came of what it keeps and passes on: `samples` and `exported`, by outcome."""
        ...


class Site:
    """The pages of a deployment. `active` counts the requests that have no answer yet; once it is
    `leaving`, each answer is the last one of its connection; while it `lets_go`, so it is for all
    but other processes of the endpoint. `router` knows of other deployments, `fellows` of other
    workers of this one; None where there can be none. `observer` is told of answers, None where
    nobody wants to know. `relay` leads to where the deployment answers, if that is elsewhere."""

    def __init__(
        self,
        served: Served,
        turns: Turns,
        router: Router | None = None,
        relay: Relay | None = None,
    ) -> None:
        self.connections: set[Connection] = set()
        self.leaving = False
        self.lets_go = False
        self._is_aside = False
        self._surplus = 0
        self.active = 0
        self.observer: Observer | None = None
        self.loop = asyncio.get_running_loop()
        self._log = RequestLog(self.loop)
        self.fellows: Fellows | None = None
        self.router = router
        self._named_line = router.named_line if router is not None else ""
        self.metrics = Metrics(served.deployment)
        self.metrics_page = MetricsPage(served, self.metrics, turns, self)
        self._served = served
        self._nothing = NothingPage(served)
        self._pages: dict[bytes, Page] = {
            b"/": HealthPage(served),
            b"/healthz": HealthPage(served),
            b"/score": ScorePage(served, turns),
            b"/openapi.json": DocumentPage(served, "3.1"),
            b"/swagger.json": DocumentPage(served, "2"),
            b"/invocations": InvocationsPage(served, turns),
            b"/ping": PingPage(served),
            b"/health": PingPage(served),
            b"/metrics": self.metrics_page,
            b"/v2": ServerPage(served),
            b"/v2/health/live": ServerHealthPage(served, "live"),
            b"/v2/health/ready": ServerHealthPage(served, "ready"),
        }
        models: inference.Models = router.models if router is not None else dict
        self._of_models: dict[str, Page] = {
            "": ModelPage(served, models),
            "/ready": ModelReadyPage(served, models),
            "/infer": InferPage(served, turns, models),
        }
        self._relay = relay
        if relay is not None:
            pages, self._of_models = relayed_pages(served, relay)
            self._pages |= pages

    def judge(self, request: Request) -> None:
        """Find the page of a request whose head is there, and why it is refused, if it is."""
        self.active += 1
        page = request.page = self._pages.get(request.path) or self._page_of_model(request)
        trouble = request.name_itself()
        request.lines += self._named_line
        if self._served.settings.cors_origins:
            request.lines += self._origin_lines(request)
        if len(request.target) > MAX_URI:
            request.refusal = Refusal(414, f"The address must not exceed {MAX_URI} characters")
        elif trouble is not None:
            request.refusal = Refusal(431, trouble)
        elif page is self._nothing:
            request.refusal = Refusal(404, "Not found")
        elif request.method not in page.methods:
            request.refusal = Refusal(405, "Method Not Allowed", page.allow)
        elif page.asks_for_key and request.method != "OPTIONS":
            self._ask_for_key(request)
        request.limit = page.limit
        if self.router is not None and request.refusal is None and not request.is_inner:
            self.router.direct(request)

    def serve(self, request: Request) -> None:
        """Answer a request that is there as a whole, now or later."""
        try:
            if request.refusal is not None:
                request.page.refuse(request, *request.refusal)
            elif request.bound_for is not None and self.router is not None:
                self.router.forward(request, self)
            else:
                request.page.methods[request.method](request)
        except Exception:  # noqa: BLE001 - one request must not end the others
            traceback.print_exc()
            request.page.refuse(request, 500, "Internal Server Error")

    def record(self, request: Request, status: int, lines: str, answer: bytes) -> None:
        """Count an answer that is about to be sent, and log it."""
        self.active -= 1
        if request.copied_to is not None and request.refusal is None and self.router is not None:
            self.loop.call_soon(self.router.copy, request)
        seconds = perf_counter() - request.began
        by = f" ({request.bound_for or 'another worker'})" if request.bound_for is not None else ""
        if not by:
            self.metrics.answered(request, status, seconds)
            if self.observer is not None:
                self.observer.answered(request, status, lines, answer, seconds)
        path = request.path[:200].decode("ascii", "backslashreplace")
        self._log.add(
            f"{request.method or '-'} {path or '-'} {status} {1000 * seconds:.1f} ms{by}\n"
        )

    def stand(self, *, aside: bool) -> None:
        """Keep clients, or let them go to another process."""
        self._is_aside = aside
        self.lets_go = aside or self._surplus > 0

    def let_go(self, count: int) -> None:
        """Let so many clients go to another process, those who ask first."""
        self._surplus = count
        self.lets_go = self._is_aside or count > 0

    def has_let_go(self) -> None:
        """A client has been told to come anew."""
        self.let_go(max(0, self._surplus - 1))

    def ended(self) -> None:
        """Forget a request whose client has gone before it could be answered."""
        self.active -= 1

    def sweep(self, now: float) -> None:
        """Close the connections that nothing comes over any more."""
        for connection in list(self.connections):
            connection.sweep(now)
        for kept in (self.router, self._relay):
            if kept is not None:
                kept.sweep(now)

    def close(self) -> None:
        """Let go of the connections to others."""
        for kept in (self.router, self._relay):
            if kept is not None:
                kept.close()

    def late(self) -> dict[str, int]:
        """How many requests have waited for longer than a slow answer takes, by the deployment that
        is to answer."""
        began = perf_counter() - self.metrics.slow_after
        found: dict[str, int] = {}
        for connection in self.connections:
            request = connection.current
            if request is not None and request.page.is_split and request.began < began:
                if request.bound_for == LENT:
                    continue  # It is late for the worker that has it.
                name = request.bound_for or self._served.deployment.deployment
                found[name] = found.get(name, 0) + 1
        return found

    def _ask_for_key(self, request: Request) -> None:
        try:
            who = self._served.keys.who(request.header(b"authorization"))
        except (OSError, ValueError):  # The file of keys is gone, or damaged: nobody has one.
            traceback.print_exc()
            who = None
        if who is None:
            request.refusal = NO_KEY
        request.is_trusted = who == "workspace"

    def _page_of_model(self, request: Request) -> Page:
        match = inference.MODEL.fullmatch(request.path.decode("latin-1"))
        if match is None:
            return self._nothing
        name, version, rest = match.groups()
        request.arguments = tuple(None if a is None else unquote(a) for a in (name, version))
        return self._of_models[rest]

    def _origin_lines(self, request: Request) -> str:
        """Browsers are let in from where the deployment says."""
        origin = request.header(b"origin")
        request.is_let_in = bool(origin) and self._served.settings.allows(origin)
        if request.is_let_in:
            return f"Vary: Origin\r\nAccess-Control-Allow-Origin: {origin}\r\n"
        return "Vary: Origin\r\n"
