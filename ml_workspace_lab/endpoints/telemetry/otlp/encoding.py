"""What is sent, in OTLP's encoding as JSON: ids as hex, whole numbers of 64 bits as text.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ml_workspace_lab._version import __version__
from ml_workspace_lab.endpoints.scoring.metrics import SCORED, SECONDS, Standing
from ml_workspace_lab.endpoints.telemetry.exchange import Exchange
from ml_workspace_lab.endpoints.telemetry.trace_context import parent, state

SCOPE = {"name": "ml_workspace_lab", "version": __version__}
PREFIX = "ml_workspace.endpoint"
CUMULATIVE = 2
SERVER = 2
ERROR = 2
_ROUTES = {
    "score": "/score",
    "invocations": "/invocations",
    "infer": "/v2/models/{model}/infer",
}

Json = dict[str, Any]


def attributes(values: Mapping[str, str | int | float]) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def metrics(
    resource: Json,
    standing: Standing,
    exceptions: Mapping[str, int],
    active: int,
    began: float,
    moment: float,
) -> Json:
    """The request of `POST /v1/metrics`: all that was counted since the process `began`."""
    span = {"startTimeUnixNano": _nanos(began), "timeUnixNano": _nanos(moment)}
    answers = [
        _point(span, count, {"page": page, "http.response.status_code": status})
        for (page, status), count in sorted(standing.answers.items())
    ]
    errors = sum(n for (page, code), n in standing.answers.items() if page in SCORED and code > 499)
    kinds = [_point(span, n, {"exception.type": kind}) for kind, n in sorted(exceptions.items())]
    found = [
        _counter("requests", "{request}", "Answers by page and HTTP status.", answers),
        _counter("errors", "{request}", "Scoring that failed.", [_point(span, errors, {})]),
        _counter("exceptions", "{exception}", "What scoring raised.", kinds),
        _histogram(span, standing),
        {
            "name": f"{PREFIX}.active_requests",
            "unit": "{request}",
            "description": "Requests that have no answer yet.",
            "gauge": {
                "dataPoints": [{"timeUnixNano": _nanos(moment), "asInt": str(active)}],
            },
        },
    ]
    shown = [one for one in found if "sum" not in one or one["sum"]["dataPoints"]]
    scoped = [{"scope": SCOPE, "metrics": shown}]
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": scoped}]}


def traces(resource: Json, exchanges: Sequence[Exchange]) -> Json:
    """The request of `POST /v1/traces`: a span for each."""
    scoped = [{"scope": SCOPE, "spans": [_span(exchange) for exchange in exchanges]}]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scoped}]}


def _span(exchange: Exchange) -> Json:
    above = parent(exchange.named)
    route = _ROUTES.get(exchange.page, exchange.page)
    known: dict[str, str | int | float] = {
        "http.request.method": exchange.method,
        "http.route": route,
        "http.response.status_code": exchange.status,
        "url.path": exchange.target.partition(b"?")[0].decode("latin-1"),
        "url.scheme": "http",
        f"{PREFIX}.request_id": exchange.answered("x-request-id"),
    }
    if client := exchange.answered("x-ms-client-request-id"):
        known[f"{PREFIX}.client_request_id"] = client
    if milliseconds := exchange.answered("x-ms-run-fn-exec-ms"):
        known[f"{PREFIX}.run_ms"] = float(milliseconds)
    failed = exchange.status >= 500
    if failed:
        known["error.type"] = exchange.kind or str(exchange.status)
    span: Json = {
        "traceId": above.trace if above is not None else os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": f"{exchange.method} {route}",
        "kind": SERVER,
        "startTimeUnixNano": _nanos(exchange.moment - exchange.seconds),
        "endTimeUnixNano": _nanos(exchange.moment),
        "attributes": attributes(known),
        "status": {"code": ERROR} if failed else {},
    }
    if above is not None:
        span["parentSpanId"] = above.span
        span["flags"] = 0x300 | int(above.is_sampled)  # The parent is another process.
        span["traceState"] = state(exchange.named)
    if exchange.kind:
        # What the exception says may hold what was asked.
        named = attributes({"exception.type": exchange.kind})
        moment = _nanos(exchange.moment)
        span["events"] = [{"name": "exception", "timeUnixNano": moment, "attributes": named}]
    return span


def _counter(name: str, unit: str, description: str, points: list[Json]) -> Json:
    return {
        "name": f"{PREFIX}.{name}",
        "unit": unit,
        "description": description,
        "sum": {"dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": True},
    }


def _histogram(span: Json, standing: Standing) -> Json:
    point = {
        **span,
        "count": str(sum(standing.buckets)),
        "sum": standing.sum,
        "bucketCounts": [str(count) for count in standing.buckets],
        "explicitBounds": list(SECONDS),
    }
    return {
        "name": f"{PREFIX}.duration",
        "unit": "s",
        "description": "From the head of a request that was scored to its answer.",
        "histogram": {"dataPoints": [point], "aggregationTemporality": CUMULATIVE},
    }


def _point(span: Json, count: int, by: Mapping[str, str | int]) -> Json:
    return {**span, "asInt": str(count), "attributes": attributes(by)}


def _value(value: str | int | float) -> Json:
    if isinstance(value, str):
        # What the environment says may be no text at all.
        return {"stringValue": value.encode("utf-8", "replace").decode()}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}


def _nanos(seconds: float) -> str:
    return str(int(seconds * 1_000_000_000))
