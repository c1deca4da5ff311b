"""Asking a module's process how it is: whether it answers, scores its example, what it counted."""

import http.client
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_workspace_lab.models.described import MLMODEL
from ml_workspace_lab.models.packages.places import TOLD

HEALTH_SECONDS = 3.0
SCORE_SECONDS = 30.0
EXAMPLE = "input_example.json"
"""Where MLflow and this package keep the example of a model."""
_LINE = re.compile(r"^ml_workspace_endpoint_(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_WORDS = 300


@dataclass(frozen=True)
class Counts:
    """What a process has counted since it began: answers to requests for scores, those among them
    that were no good, and the times of the good ones: sum and number, and how many by their
    longest, in seconds."""

    requests: int = 0
    errors: int = 0
    scored: int = 0
    seconds: float = 0.0
    buckets: dict[float, int] = field(default_factory=dict)


def answers(port: int) -> bool:
    """Whether `GET /` is answered well."""
    try:
        return _ask("GET", port, "/", HEALTH_SECONDS)[0] == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def example(home: Path) -> bytes | None:
    """The body of a request for the scores of the model's own example; None where it has none, or
    a script that wants something else."""
    if (
        json.loads((home / TOLD).read_bytes())["has_script"]
        or not (home / "model" / MLMODEL).exists()
    ):
        return None
    try:
        kept = json.loads((home / "model" / EXAMPLE).read_bytes())
    except (OSError, ValueError):
        return None
    named = _named(kept)
    return json.dumps(named).encode() if named else None


def _named(kept: Any) -> dict[str, Any] | None:
    """An example by the name of its form."""
    if isinstance(kept, list):
        return {"inputs": kept}
    if not isinstance(kept, dict):
        return None
    for name in ("dataframe_split", "inputs", "instances"):
        if name in kept:
            return {name: kept[name]}
    return {"dataframe_split": kept} if "data" in kept else None


def refusal(port: int, key: str, body: bytes) -> str:
    """Why the example gets no scores; empty where it does."""
    try:
        status, said = _ask("POST", port, "/invocations", SCORE_SECONDS, key, body)
    except (OSError, http.client.HTTPException) as error:
        return f"Its example is not answered: {error or type(error).__name__}."
    if status == http.client.OK:
        return ""
    return f"Its example is answered with {status}: {said[:_WORDS].decode('utf-8', 'replace')}"


def counts(port: int, key: str) -> Counts | None:
    """None where it does not say."""
    try:
        status, said = _ask("GET", port, "/metrics", HEALTH_SECONDS, key)
    except (OSError, http.client.HTTPException):
        return None
    return parse(said.decode("utf-8", "replace")) if status == http.client.OK else None


def parse(text: str) -> Counts:
    """The counts in Prometheus' text format."""
    requests = errors = scored = 0
    seconds = 0.0
    buckets: dict[float, int] = {}
    for name, labelled, value in _LINE.findall(text):
        labels = dict(_LABEL.findall(labelled))
        if name == "requests_total" and labels["page"] in ("score", "invocations", "infer"):
            requests += int(value)
            errors += int(value) if labels["code"] >= "400" else 0
        elif name == "scored_seconds_bucket":
            buckets[float(labels["le"])] = int(value)
        elif name == "scored_seconds_sum":
            seconds = float(value)
        elif name == "scored_seconds_count":
            scored = int(value)
    return Counts(requests, errors, scored, seconds, buckets)


def between(before: Counts, after: Counts) -> dict[str, Any]:
    """What happened between two counts of one process: a line of telemetry. Times are in
    milliseconds: their mean, and the bound below which 99 of 100 are (None: over the last one)."""
    scored = after.scored - before.scored
    line: dict[str, Any] = {
        "requests": after.requests - before.requests,
        "errors": after.errors - before.errors,
    }
    if scored > 0:
        line["mean_ms"] = round((after.seconds - before.seconds) / scored * 1000, 3)
        bounds = sorted(after.buckets)
        within = (b for b in bounds if after.buckets[b] - before.buckets.get(b, 0) >= 0.99 * scored)
        bound = next(within, float("inf"))
        line["p99_ms"] = None if bound == float("inf") else bound * 1000
    return line


def _ask(
    method: str, port: int, path: str, seconds: float, key: str = "", body: bytes | None = None
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    headers = {"Connection": "close", "Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
