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

from ml_workspace_lab.api import strict_json
from ml_workspace_lab.endpoints.folder import Deployment, Keys
from ml_workspace_lab.endpoints.scoring.document import openapi
from ml_workspace_lab.endpoints.scoring.payload import encode
from ml_workspace_lab.endpoints.scoring.scorer import BadInput, Scorer
from ml_workspace_lab.errors import InvalidInput

MAX_ID = 100
MAX_BODY = 64 * 1024 * 1024
SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


class Gatekeeper:
    """Knows whose keys open the endpoint; a change of the keys' file counts at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = (-1, -1)
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
        status = self._path.stat()
        # Two writes within one tick of the clock differ in the file's number.
        seen = status.st_mtime_ns, status.st_ino
        if seen != self._seen:
            self._keys = msgspec.json.decode(self._path.read_bytes(), type=Keys)
            self._seen = seen


class Traffic:
    """The requests in progress, so that a process that leaves knows when nobody wants it."""

    def __init__(self) -> None:
        self.leaving = False
        self.active = 0
        self._last = 0.0

    def began(self) -> None:
        self.active += 1

    def ended(self) -> None:
        self.active -= 1
        self._last = time.monotonic()

    def is_quiet(self, seconds: float) -> bool:
        """Whether no request has been in progress for that long."""
        return self.active == 0 and time.monotonic() - self._last > seconds


class Handler(web.RequestHandler):
    """What every answer has: a request id, JSON errors, no caching."""

    def prepare(self) -> None:
        self._traffic: Traffic = self.settings["traffic"]
        self._traffic.began()
        if self._traffic.leaving:
            self.set_header("Connection", "close")
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

    def on_finish(self) -> None:
        self._traffic.ended()

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


@web.stream_request_body
class ScoreHandler(Handler):
    """The one path that does the work.

    Who may not ask is known before the body comes, and told when it has come and been thrown away:
    an answer to one who is still sending would be lost.
    """

    def initialize(self, scorer: Scorer, worker: Executor, keys: Gatekeeper) -> None:
        self._scorer = scorer
        self._worker = worker
        self._keys = keys

    def prepare(self) -> None:
        super().prepare()
        self._body = bytearray()
        self._refusal: tuple[int, str] | None = None
        if self._finished:
            return
        scheme, _, key = self.request.headers.get("Authorization", "").partition(" ")
        who = self._keys.who(key.strip()) if scheme.lower() == "bearer" else None
        if who is None:
            self.set_header("WWW-Authenticate", "Bearer")
            self._refusal = 401, "Send one of the endpoint's keys: Authorization: Bearer KEY"
        self._trusted = who == "workspace"

    def data_received(self, chunk: bytes) -> None:
        if self._refusal is None and len(self._body) + len(chunk) > MAX_BODY:
            self._refusal = 413, f"The body is over the limit of {MAX_BODY // 1024**2} MiB"
        if self._refusal is None:
            self._body += chunk

    async def post(self) -> None:
        kind = self.request.headers.get("Content-Type", "application/json").partition(";")[0]
        if self._refusal is None and kind.strip().lower() != "application/json":
            self._refusal = 415, f"Unsupported media type {kind!r}; send application/json"
        await self._score(bytes(self._body))

    async def get(self) -> None:
        """The query's parameters stand for the body."""
        for name, values in self.request.query_arguments.items():
            if self._refusal is None and len(values) > 1:
                self._refusal = 400, f"The parameter {name!r} stands twice in the query"
        query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        await self._score(json.dumps(query).encode())

    async def _score(self, body: bytes) -> None:
        if self._refusal is not None:
            self._refuse(*self._refusal)
            return
        began = time.perf_counter()
        try:
            loop = asyncio.get_running_loop()
            answer = encode(await loop.run_in_executor(self._worker, self._answer, body))
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

    def _answer(self, body: bytes) -> Any:
        try:
            strict_json.loads(body)
        except InvalidInput as error:
            raise BadInput(error.message) from None
        try:
            return self._scorer(body)
        except SystemExit as error:
            raise RuntimeError("run() asked the process to exit") from error


class NothingHandler(Handler):
    """Any other path."""

    def prepare(self) -> None:
        super().prepare()
        if not self._finished:
            self._refuse(404, "Not found")


def application(
    deployment: Deployment, scorer: Scorer, worker: Executor, keys: Gatekeeper, traffic: Traffic
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
        traffic=traffic,
    )


def _log(handler: web.RequestHandler) -> None:
    request = handler.request
    milliseconds = 1000 * request.request_time()
    path = request.path[:200].encode("ascii", "backslashreplace").decode()
    print(f"{request.method} {path} {handler.get_status()} {milliseconds:.1f} ms", flush=True)  # noqa: T201
