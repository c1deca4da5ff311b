"""Requests of a scoring process, with Azure Machine Learning's paths, headers and error bodies."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
import traceback
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import msgspec
from tornado import web

from ml_workspace_lab.endpoints.folder import Deployment, Keys
from ml_workspace_lab.endpoints.scoring.document import openapi
from ml_workspace_lab.endpoints.scoring.payload import encode
from ml_workspace_lab.endpoints.scoring.scorer import BadInput, Scorer

MAX_ID = 100
SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


class Gatekeeper:
    """Knows whose keys open the endpoint; a change of the keys' file counts at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = -1
        self._keys = Keys("", "", "")

    def who(self, key: str) -> str | None:
        """`workspace` for the workspace itself, `caller` for a holder of a key, else None."""
        self._refresh()
        hashed = hashlib.sha256(key.encode()).hexdigest()
        # Compared with each, whatever the first ones say: the time taken tells nothing.
        own = hmac.compare_digest(hashed, self._keys.workspace)
        first = hmac.compare_digest(hashed, self._keys.primary)
        second = hmac.compare_digest(hashed, self._keys.secondary)
        return "workspace" if own else "caller" if first or second else None

    def _refresh(self) -> None:
        changed = self._path.stat().st_mtime_ns
        if changed != self._read_at:
            self._keys = msgspec.json.decode(self._path.read_bytes(), type=Keys)
            self._read_at = changed


class Handler(web.RequestHandler):
    """What every answer has: a request id, JSON errors, no caching."""

    def prepare(self) -> None:
        given = self.request.headers.get("x-ms-client-request-id", "")
        if len(given) > MAX_ID:
            self._refuse(431, "x-ms-client-request-id must not exceed 100 characters")
            return
        if given:
            self.set_header("x-ms-client-request-id", given)
        asked = self.request.headers.get("x-request-id", "")
        if len(asked) > MAX_ID:
            self._refuse(431, "x-request-id must not exceed 100 characters")
            return
        self.set_header("x-request-id", asked or secrets.token_hex(16))

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")

    def write_error(self, status_code: int, **_: Any) -> None:
        self._refuse(status_code, self._reason)

    def _refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        self.finish({"message": message})


class HealthHandler(Handler):
    """Alive, whatever the user's code is doing."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain")
        self.finish("Healthy")


class DocumentHandler(Handler):
    """The OpenAPI document of this endpoint."""

    def initialize(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def get(self) -> None:
        self.finish(openapi(self._deployment))


class ScoreHandler(Handler):
    """The one path that does the work."""

    def initialize(self, scorer: Scorer, worker: Executor, keys: Gatekeeper) -> None:
        self._scorer = scorer
        self._worker = worker
        self._keys = keys

    def prepare(self) -> None:
        super().prepare()
        if self._finished:
            return
        scheme, _, key = self.request.headers.get("Authorization", "").partition(" ")
        who = self._keys.who(key.strip()) if scheme.lower() == "bearer" else None
        if who is None:
            self.set_header("WWW-Authenticate", "Bearer")
            self._refuse(401, "Send one of the endpoint's keys: Authorization: Bearer KEY")
        self._trusted = who == "workspace"

    async def post(self) -> None:
        kind = self.request.headers.get("Content-Type", "application/json").partition(";")[0]
        if kind.strip().lower() != "application/json":
            self._refuse(415, f"Unsupported media type {kind!r}; send application/json")
            return
        try:
            json.loads(self.request.body)
        except (ValueError, RecursionError):
            self._refuse(400, "The request's body is not JSON")
            return
        await self._score(self.request.body)

    async def get(self) -> None:
        """The query's parameters stand for the body."""
        query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        await self._score(json.dumps(query).encode())

    async def _score(self, body: bytes) -> None:
        began = time.perf_counter()
        try:
            loop = asyncio.get_running_loop()
            answer = encode(await loop.run_in_executor(self._worker, self._scorer, body))
        except BadInput as error:
            self._refuse(400, str(error))
            return
        except Exception:  # noqa: BLE001 - the user's code may raise anything
            traceback.print_exc()
            self.set_header("x-ms-run-function-failed", "True")
            # Whoever deployed it sees the traceback; its callers don't.
            self._refuse(500, traceback.format_exc() if self._trusted else SCRIPT_FAILED)
            return
        self.set_header("x-ms-run-function-failed", "False")
        self.set_header("x-ms-run-fn-exec-ms", f"{(time.perf_counter() - began) * 1000:.3f}")
        self.set_header("Content-Type", "application/json")
        self.finish(answer)


class NothingHandler(Handler):
    """Any other path."""

    def prepare(self) -> None:
        super().prepare()
        if not self._finished:
            self._refuse(404, "Not found")


def application(
    deployment: Deployment, scorer: Scorer, worker: Executor, keys: Gatekeeper
) -> web.Application:
    document = {"deployment": deployment}
    return web.Application(
        [
            (r"/", HealthHandler),
            (r"/healthz", HealthHandler),
            (r"/score", ScoreHandler, {"scorer": scorer, "worker": worker, "keys": keys}),
            (r"/openapi\.json", DocumentHandler, document),
            (r"/swagger\.json", DocumentHandler, document),
        ],
        default_handler_class=NothingHandler,
        log_function=_log,
    )


def _log(handler: web.RequestHandler) -> None:
    request = handler.request
    milliseconds = 1000 * request.request_time()
    path = request.path[:200].encode("ascii", "backslashreplace").decode()
    print(f"{request.method} {path} {handler.get_status()} {milliseconds:.1f} ms", flush=True)  # noqa: T201
