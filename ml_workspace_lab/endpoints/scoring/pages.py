"""Pages: what one path answers. What all of them have in common, and those that need no key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from ml_workspace_lab.endpoints.folder import Deployment
from ml_workspace_lab.endpoints.scoring.document import document
from ml_workspace_lab.endpoints.scoring.failures import Failures
from ml_workspace_lab.endpoints.scoring.keys import Keyring
from ml_workspace_lab.endpoints.scoring.request import Request
from ml_workspace_lab.endpoints.scoring.responses import FINE_LINE
from ml_workspace_lab.endpoints.scoring.scorer import Scorer
from ml_workspace_lab.endpoints.scoring.settings import Settings

MAX_IGNORED_BODY = 64 * 1024


@dataclass(frozen=True)
class Served:
    """What requests are answered with, and what has gone wrong with that."""

    deployment: Deployment
    loaded: Scorer | None
    """None where the deployment answers elsewhere."""
    keys: Keyring
    settings: Settings
    failures: Failures = field(default_factory=Failures)

    @property
    def scorer(self) -> Scorer:
        assert self.loaded is not None
        return self.loaded


class Page:
    """Answers the methods that it has. `name` is what its requests are counted under, `limit` the
    most bytes that a body may have; `is_split` says that traffic is made of such requests."""

    name = "other"
    asks_for_key = False
    is_split = False
    limit = MAX_IGNORED_BODY

    def __init__(self, served: Served) -> None:
        self.served = served
        self.methods: Mapping[str, Callable[[Request], None]] = {
            method: getattr(self, method.lower())
            for method in ("GET", "HEAD", "POST", "OPTIONS")
            if hasattr(self, method.lower())
        }
        offered = ", ".join(method for method in self.methods if method != "HEAD")
        self.allow = f"Allow: {offered}\r\n"

    def options(self, request: Request) -> None:
        """The question of a browser before it asks; others learn that the path is there."""
        lines = FINE_LINE
        if request.is_let_in:
            asked = request.header(b"access-control-request-headers")
            lines += "Access-Control-Allow-Methods: GET, POST\r\n"
            lines += f"Access-Control-Allow-Headers: {asked}\r\n"
        request.answer(200, lines)

    def refuse(self, request: Request, status: int, message: str, lines: str = "") -> None:
        """Answer with an error in the form of this page."""
        request.answer_json(status, self.error(status, message), lines)

    def error(self, _status: int, message: str) -> dict[str, Any]:
        """Azure's form."""
        return {"message": message}


class HealthPage(Page):
    """Alive, whatever the user's code is doing."""

    name = "health"

    def get(self, request: Request) -> None:
        request.answer(200, "Content-Type: text/plain\r\n", b"Healthy")

    head = get


class DocumentPage(Page):
    """The documents of this endpoint, of the version in the query, else of `version`."""

    name = "document"

    def __init__(self, served: Served, version: str) -> None:
        super().__init__(served)
        self._version = version

    def get(self, request: Request) -> None:
        query = parse_qs(request.target.partition(b"?")[2].decode("latin-1"))
        version = query.get("version", [self._version])[-1]
        try:
            found = document(self.served.deployment, self.served.scorer.schemas, version)
        except ValueError as error:
            self.refuse(request, 404, str(error))
        else:
            request.answer_json(200, found)


class NothingPage(Page):
    """Any other path."""
