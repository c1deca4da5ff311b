"""What every answer of a scoring process has, and those that need no key."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

from tornado import web

from ml_workspace_lab._version import __version__
from ml_workspace_lab.endpoints.folder import Deployment
from ml_workspace_lab.endpoints.scoring.document import document
from ml_workspace_lab.endpoints.scoring.keys import Keyring
from ml_workspace_lab.endpoints.scoring.scorer import Scorer
from ml_workspace_lab.endpoints.scoring.settings import Settings
from ml_workspace_lab.endpoints.scoring.traffic import Traffic
from ml_workspace_lab.endpoints.scoring.worker import Worker

MAX_ID = 100
MAX_URI = 8 * 1024


@dataclass(frozen=True)
class Served:
    """What requests are answered with."""

    deployment: Deployment
    scorer: Scorer
    worker: Worker
    keys: Keyring
    traffic: Traffic
    settings: Settings


class Handler(web.RequestHandler):
    """Request ids, JSON errors, no caching; browsers are let in where the deployment says so."""

    _counted = False

    def prepare(self) -> None:
        self.served.traffic.began()
        self._counted = True
        if self.served.traffic.leaving:
            self.set_header("Connection", "close")
        self._allow_origin()
        if len(self.request.uri or "") > MAX_URI:
            self.refuse(414, f"The address must not exceed {MAX_URI} characters")
        elif (trouble := self._name_request()) is not None:
            self.refuse(431, trouble)

    @property
    def served(self) -> Served:
        found: Served = self.settings["served"]
        return found

    def options(self) -> None:
        """The question of a browser before it asks; others learn that the path is there."""
        if self._origin_is_allowed():
            asked = self.request.headers.get("Access-Control-Request-Headers", "")
            self.set_header("Access-Control-Allow-Methods", "GET, POST")
            self.set_header("Access-Control-Allow-Headers", asked)
        self.finish()

    def on_finish(self) -> None:
        if self._counted:  # Methods that nobody knows are refused before anything is prepared.
            self.served.traffic.ended()

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("x-ms-server-version", f"ml-workspace-lab/{__version__}")
        self.set_header("x-ms-run-function-failed", "False")

    def write_error(self, status_code: int, **_: Any) -> None:
        if status_code == 405:
            offered = [m for m in ("GET", "POST") if _offers(self, m)]
            self.set_header("Allow", ", ".join([*offered, "OPTIONS"]))
        self.refuse(status_code, self._reason)

    def refuse(self, status: int, message: str) -> None:
        """End with an error in Azure's form."""
        self.set_status(status)
        self.end({"message": message})

    def end(self, answer: Any) -> None:
        """End with a small JSON value."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(answer))

    def _name_request(self) -> str | None:
        """Give the answer the request's names: the server's, the client's, and the older one that
        stands for either. Returns what is wrong with them."""
        given = self.request.headers
        own = given.get("x-request-id") or str(uuid.uuid4())
        older, client = given.get("x-ms-request-id", ""), given.get("x-ms-client-request-id", "")
        client = client or older
        names = {
            "x-request-id": own,
            "x-ms-client-request-id": client,
            "x-ms-request-id": older or client or own,
        }
        for name, value in names.items():
            if len(value) > MAX_ID:
                return f"{name} must not exceed {MAX_ID} characters"
            if value:
                self.set_header(name, value)
        if trace := given.get("TraceId"):
            self.set_header("TraceId", trace)
        return None

    def _origin_is_allowed(self) -> bool:
        origin = self.request.headers.get("Origin")
        return origin is not None and self.served.settings.allows(origin)

    def _allow_origin(self) -> None:
        if self.served.settings.cors_origins:
            self.set_header("Vary", "Origin")
        if self._origin_is_allowed():
            self.set_header("Access-Control-Allow-Origin", self.request.headers["Origin"])


def _offers(handler: web.RequestHandler, method: str) -> bool:
    return getattr(type(handler), method.lower()) is not getattr(web.RequestHandler, method.lower())


class HealthHandler(Handler):
    """Alive, whatever the user's code is doing."""

    def get(self) -> None:
        self.clear_header("x-ms-run-function-failed")
        self.set_header("Content-Type", "text/plain")
        self.finish("Healthy")

    head = get


class DocumentHandler(Handler):
    """The documents of this endpoint, of the version in the query, else of `version`."""

    def initialize(self, version: str) -> None:
        self._version = version

    def get(self) -> None:
        version = self.get_query_argument("version", self._version)
        try:
            found = document(self.served.deployment, self.served.scorer.schemas, version)
        except ValueError as error:
            self.refuse(404, str(error))
        else:
            self.end(found)


class NothingHandler(Handler):
    """Any other path."""

    def prepare(self) -> None:
        super().prepare()
        if not self._finished:
            self.refuse(404, "Not found")
