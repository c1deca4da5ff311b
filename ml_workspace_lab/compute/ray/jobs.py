"""Ray's Jobs API over HTTP, as far as a driver needs it. `ray` itself is never imported: it weighs
69 MB and a second."""

import re
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ml_workspace_lab.compute.driver import Refused, Unreachable
from ml_workspace_lab.compute.http import Answer, Engine

_EXISTS = "already exists"
_ESCAPED = 6
"""The most bytes that JSON makes of one: \\u001b."""
_LOG_BEGINS = re.compile(rb'^\s*\{"logs":\s*"')

T = TypeVar("T")


class RayJob(Struct, frozen=True):
    """A job as Ray describes it."""

    status: str
    submission_id: str | None = None
    message: str | None = None
    error_type: str | None = None
    driver_exit_code: int | None = None
    driver_node_id: str | None = None


class RayNode(Struct, frozen=True):
    """A node of the cluster and what it had at its start: `CPU`, `GPU`, `memory` in bytes."""

    node_id: str
    node_ip: str
    state: str
    resources_total: dict[str, float]
    is_head_node: bool = False


class JobRequest(Struct, frozen=True, omit_defaults=True):
    """What Ray is asked to start. The entry point is a line for a shell."""

    entrypoint: str
    submission_id: str
    runtime_env: dict[str, Any]
    metadata: dict[str, str]
    entrypoint_num_cpus: float
    entrypoint_num_gpus: float = 0
    entrypoint_memory: int = 0
    entrypoint_resources: dict[str, float] | None = None


class JobsApi:
    """Questions to one cluster; each raises Unreachable where it has no answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def version(self) -> str:
        return self._decode(self._ask("GET", "/api/version"), _Version).ray_version

    def all(self) -> list[RayJob]:
        """Every job that the cluster has a record of, in one call."""
        return self._decode(self._ask("GET", "/api/jobs/"), list[RayJob])

    def get(self, submission_id: str) -> RayJob | None:
        answer = self._ask("GET", _path(submission_id))
        return None if answer.status == 404 else self._decode(answer, RayJob)

    def submit(self, request: JobRequest) -> None:
        """Hand a job over. One that is there already is fine. Raises Refused on what Ray calls a
        bad request."""
        answer = self._ask("POST", "/api/jobs/", request)
        if answer.status == 200 or (answer.status == 500 and _EXISTS in answer.text):
            return
        if answer.status in (400, 413, 422):
            raise Refused(_last_line(answer))
        raise self._unexpected(answer)

    def stop(self, submission_id: str) -> None:
        """Ask for its end: SIGTERM, and SIGKILL after the time that its environment names. One that
        is unknown or over is fine."""
        answer = self._ask("POST", _path(submission_id) + "/stop")
        if answer.status not in (200, 404):
            raise self._unexpected(answer)

    def forget(self, submission_id: str) -> None:
        """Have the cluster keep no record of a job that has ended. One that is unknown is fine."""
        self._ask("DELETE", _path(submission_id))

    def log_tail(self, submission_id: str, size: int) -> bytes:
        """The last `size` bytes of what the job wrote. Ray sends all of it, at every call."""
        answer = self._engine.tail(_path(submission_id) + "/logs", _ESCAPED * size)
        if answer.status == 404:
            return b""
        if answer.status != 200:
            raise self._unexpected(answer)
        return _log(answer.body).encode()[-size:]

    def nodes(self) -> list[RayNode]:
        """The nodes that are alive."""
        answer = self._ask("GET", "/api/v0/nodes?detail=1")
        return [n for n in self._decode(answer, _Nodes).data.result.result if n.state == "ALIVE"]

    def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self._engine.ask(method, path, body)
        if answer.status == 403:
            raise Unreachable(f"{self._engine.url} refuses the token (403): {answer.text}.")
        return answer

    def _decode(self, answer: Answer, kind: type[T]) -> T:
        if answer.status != 200:
            raise self._unexpected(answer)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable(
                f"{self._engine.url} does not speak Ray's Jobs API: {error}."
            ) from error

    def _unexpected(self, answer: Answer) -> Unreachable:
        return Unreachable(f"{self._engine.url} answers {answer.status}: {_last_line(answer)}")


class _Version(Struct, frozen=True):
    ray_version: str


class _Log(Struct, frozen=True):
    logs: str


class _NodeList(Struct, frozen=True):
    result: list[RayNode]


class _NodeData(Struct, frozen=True):
    result: _NodeList


class _Nodes(Struct, frozen=True):
    data: _NodeData


def _log(body: bytes) -> str:
    """The text of a log's answer, or of its end: that may begin amidst an escaped character."""
    if _LOG_BEGINS.match(body):
        return msgspec.json.decode(body, type=_Log).logs
    for cut in range(2 * _ESCAPED):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(b'{"logs": "' + body[cut:], type=_Log).logs
    return ""


def _path(submission_id: str) -> str:
    return "/api/jobs/" + quote(submission_id, safe="")


def _last_line(answer: Answer) -> str:
    """Of a traceback, which is how Ray says no: the error."""
    lines = [line for line in answer.text.splitlines() if line.strip(" .")]
    return lines[-1] if lines else "nothing"
