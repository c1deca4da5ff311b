"""A server that speaks the MLflow protocol, and the few things that every case does with it."""

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from tests.http import Answer, request
from tests.mlflow.conformance.differences import DIFFERENCES

STATUS = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "NOT_IMPLEMENTED": 501,
}
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"

T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A server under test. `ours` tells which side of a known difference it stands on."""

    url: str
    headers: Mapping[str, str]
    ours: bool
    names: Iterator[int] = field(default_factory=lambda: itertools.count(time.time_ns() // 1000))

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; `path` is below `/api/2.0/mlflow/` unless it begins with a slash."""
        address = path if path.startswith("/") else f"/api/2.0/mlflow/{path}"
        return request(method, self.url + address, body, {**self.headers, **(headers or {})})

    def send(self, method: str, path: str, body: Any) -> Answer:
        return self.request(method, path, json.dumps(body), {"Content-Type": "application/json"})

    def raw(self, path: str, text: str) -> Answer:
        """A POST of this very text as JSON."""
        return self.request("POST", path, text, {"Content-Type": "application/json"})

    def post(self, path: str, /, **body: Any) -> Answer:
        return self.send("POST", path, body)

    def patch(self, path: str, /, **body: Any) -> Answer:
        return self.send("PATCH", path, body)

    def delete(self, path: str, /, **body: Any) -> Answer:
        return self.send("DELETE", path, body)

    def get(self, path: str, /, **query: Any) -> Answer:
        return self.request("GET", f"{path}?{urlencode(query, doseq=True)}" if query else path)

    def put_artifact(self, path: str, content: bytes) -> Answer:
        return self.request("PUT", f"{ARTIFACTS}/{quote(path)}", content)

    def get_artifact(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", f"{ARTIFACTS}/{quote(path)}", headers=headers)

    def list_artifacts(self, path: str) -> list[Json]:
        files: list[Json] = ok(self.get(ARTIFACTS, path=path)).get("files", [])
        return files

    def name(self, stem: str = "experiment") -> str:
        """A name that nothing on this server has yet."""
        return f"{stem}-{next(self.names)}"

    def experiment(self, **fields: Any) -> str:
        """The id of a new experiment."""
        answer = ok(self.post("experiments/create", **{"name": self.name(), **fields}))
        experiment_id: str = answer["experiment_id"]
        return experiment_id

    def start(self, experiment_id: str | None = None, **fields: Any) -> Json:
        """A new run, as the server answers it."""
        experiment_id = self.experiment() if experiment_id is None else experiment_id
        body = {"experiment_id": experiment_id, "start_time": 1_700_000_000_000, **fields}
        run: Json = ok(self.post("runs/create", **body))["run"]
        return run

    def run(self, experiment_id: str | None = None, **fields: Any) -> str:
        """The id of a new run."""
        run_id: str = self.start(experiment_id, **fields)["info"]["run_id"]
        return run_id

    def read(self, run_id: str) -> Json:
        run: Json = ok(self.get("runs/get", run_id=run_id))["run"]
        return run

    def log(self, run_id: str, key: str, value: Any, step: int = 0, timestamp: int = 1) -> None:
        ok(
            self.post(
                "runs/log-metric",
                run_id=run_id,
                key=key,
                value=value,
                timestamp=timestamp,
                step=step,
            )
        )

    def choose(self, difference: str, *, theirs: T, ours: T) -> T:
        """What this server is expected to do where the two are known to differ."""
        assert difference in DIFFERENCES
        return ours if self.ours else theirs


def ok(answer: Answer) -> Json:
    """The JSON object of an answer with status 200."""
    assert answer.status == 200, answer.content
    found: Json = json.loads(answer.content or b"{}")
    return found


def refused(answer: Answer, code: str, *words: str) -> None:
    """Asserts an error of this code whose message has all these words."""
    assert answer.status == STATUS[code], answer.content
    error = answer.json
    assert error["error_code"] == code
    for word in words:
        assert word in error["message"]


def invalid(answer: Answer, *words: str) -> None:
    refused(answer, "INVALID_PARAMETER_VALUE", *words)


def missing(answer: Answer, *words: str) -> None:
    refused(answer, "RESOURCE_DOES_NOT_EXIST", *words)


def pairs(items: list[Json]) -> dict[str, str]:
    """Tags or params as a dictionary; an absent value is the empty text."""
    return {item["key"]: item.get("value", "") for item in items}
