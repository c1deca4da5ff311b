"""Questions to a cluster's API server, as far as a driver needs them."""

from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.compute.driver import Refused, Unreachable
from ml_workspace_lab.compute.http import Answer, Engine
from ml_workspace_lab.compute.kubernetes.found import JobFound, NodeFound, PodFound
from ml_workspace_lab.compute.kubernetes.manifest import MANAGED, RUN
from ml_workspace_lab.compute.kubernetes.objects import Job, Secret
from ml_workspace_lab.compute.kubernetes.rights import Right

T = TypeVar("T")
LINES = 10_000
_STRICT = "?fieldValidation=Strict"
_OURS = ",".join(f"{name}={value}" for name, value in MANAGED.items())


class _Items(Struct, frozen=True):
    items: list[msgspec.Raw]


class _Status(Struct, frozen=True):
    message: str = ""
    reason: str = ""


class _Version(Struct, frozen=True):
    major: str
    minor: str
    git_version: str = field(default="", name="gitVersion")


class _Allowed(Struct, frozen=True):
    allowed: bool = False


class _Review(Struct, frozen=True):
    status: _Allowed


class Api:
    """One namespace of a cluster. Raises Unreachable where there is no answer, or none that can be
    used; Refused where something sent is not taken."""

    def __init__(self, engine: Engine, namespace: str) -> None:
        self._engine = engine
        self._namespace = namespace
        self._jobs = f"/apis/batch/v1/namespaces/{quote(namespace)}/jobs"
        self._core = f"/api/v1/namespaces/{quote(namespace)}"

    def version(self) -> tuple[int, int]:
        """Its major and minor number; distributors put a `+` behind the latter."""
        found = self._decode(self._engine.ask("GET", "/version"), _Version)
        return int(found.major.rstrip("+")), int(found.minor.rstrip("+"))

    def create(self, job: Job, *, dry_run: bool = False) -> None:
        """Hand a Job over. One of that name is fine."""
        self._send("POST", self._jobs + _STRICT + ("&dryRun=All" if dry_run else ""), job)

    def put(self, secret: Secret) -> None:
        """Create a Secret, or take the place of one of that name."""
        path = f"{self._core}/secrets"
        if self._send("POST", path + _STRICT, secret).status == 409:
            self._send("PUT", f"{path}/{secret.metadata.name}{_STRICT}", secret)

    def job(self, name: str) -> JobFound | None:
        answer = self._engine.ask("GET", f"{self._jobs}/{name}")
        return None if answer.status == 404 else self._decode(answer, JobFound)

    def jobs(self) -> list[JobFound]:
        return self._list(self._jobs, JobFound, labelSelector=_OURS)

    def pods(self, run_id: str | None = None) -> list[PodFound]:
        ours = _OURS if run_id is None else f"{_OURS},{RUN}={run_id}"
        return self._list(f"{self._core}/pods", PodFound, labelSelector=ours)

    def nodes(self) -> list[NodeFound] | None:
        """None where the account may not see them."""
        answer = self._engine.ask("GET", "/api/v1/nodes")
        if answer.status == 403:
            return None
        return [msgspec.json.decode(i, type=NodeFound) for i in self._decode(answer, _Items).items]

    def delete_job(self, name: str) -> None:
        """Its pods get SIGTERM, and SIGKILL after their grace; the Job goes when they are gone."""
        self._delete(f"{self._jobs}/{name}", {"propagationPolicy": "Foreground"})

    def delete_pod(self, name: str, grace_s: int) -> None:
        self._delete(f"{self._core}/pods/{name}", {"gracePeriodSeconds": grace_s})

    def delete_secret(self, name: str) -> None:
        self._delete(f"{self._core}/secrets/{name}", {})

    def log_tail(self, pod: str, container: str, size: int, *, previous: bool = False) -> bytes:
        """The last `size` bytes of a container's log, or of the one that ended before it; before it
        has one, why it has none."""
        asked = urlencode(
            {"container": container, "tailLines": LINES, "previous": str(previous).lower()}
        )
        answer = self._engine.tail(f"{self._core}/pods/{pod}/log?{asked}", size)
        if answer.status == 404:
            return b""
        if answer.status == 400:
            return _status(answer).message.encode()[-size:]
        if answer.status != 200:
            raise self._unexpected(answer)
        return answer.body

    def may(self, right: Right, verb: str) -> bool:
        """Whether the account has a right in the namespace."""
        wanted = {"namespace": self._namespace, "verb": verb, "group": right.group}
        wanted["resource"], _, wanted["subresource"] = right.resource.partition("/")
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return self._decode(self._engine.ask("POST", path, review), _Review).status.allowed

    def _list(self, path: str, kind: type[T], **asked: str) -> list[T]:
        answer = self._engine.ask("GET", f"{path}?{urlencode(asked)}")
        return [msgspec.json.decode(i, type=kind) for i in self._decode(answer, _Items).items]

    def _send(self, method: str, path: str, body: Any) -> Answer:
        answer = self._engine.ask(method, path, body)
        if answer.status in (200, 201) or (answer.status == 409 and method == "POST"):
            return answer
        if answer.status in (400, 403, 404, 413, 422):
            raise Refused(said(answer))
        raise self._unexpected(answer)

    def _delete(self, path: str, how: dict[str, Any]) -> None:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", **how}
        answer = self._engine.ask("DELETE", path, options)
        if answer.status not in (200, 202, 404):
            raise self._unexpected(answer)

    def _decode(self, answer: Answer, kind: type[T]) -> T:
        if answer.status not in (200, 201):
            raise self._unexpected(answer)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable(f"{self._engine.url} is no API server: {error}.") from error

    def _unexpected(self, answer: Answer) -> Unreachable:
        return Unreachable(f"{self._engine.url} answers {answer.status}: {said(answer)[:500]}")


def said(answer: Answer) -> str:
    """What a server says of an answer, in words."""
    return _status(answer).message or answer.text


def _status(answer: Answer) -> _Status:
    try:
        return msgspec.json.decode(answer.body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Status()
