"""Spans as MLflow's own files of them have them: what its class `TraceData` reads."""

import base64
import json
from typing import Any

REQUEST_ID = "mlflow.traceRequestId"
_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def span_dict(body: str, trace_id: str) -> dict[str, Any]:
    """A span of OpenTelemetry's protocol in JSON, its attributes by name and each as JSON in a
    text."""
    span = json.loads(body)
    status = span.get("status", {})
    attributes = {key: json.dumps(value, ensure_ascii=False) for key, value in _pairs(span).items()}
    return {
        "trace_id": span.get("trace_id"),
        "span_id": span.get("span_id"),
        "parent_span_id": span.get("parent_span_id"),
        "name": span.get("name", ""),
        "start_time_unix_nano": int(span.get("start_time_unix_nano", 0)),
        "end_time_unix_nano": int(span.get("end_time_unix_nano", 0)),
        "events": [
            {
                "name": event.get("name", ""),
                "time_unix_nano": int(event.get("time_unix_nano", 0)),
                "attributes": _pairs(event),
            }
            for event in span.get("events", [])
        ],
        "status": {
            "code": status.get("code", "STATUS_CODE_UNSET"),
            "message": status.get("message", ""),
        },
        "attributes": {**attributes, REQUEST_ID: json.dumps(trace_id)},
        "links": [
            {
                "trace_id": f"tr-{_hex(link, 'trace_id')}",
                "span_id": _hex(link, "span_id"),
                "attributes": _pairs(link),
            }
            for link in span.get("links", [])
        ],
    }


def _hex(link: dict[str, str], name: str) -> str:
    return base64.b64decode(link.get(name, "")).hex()


def _pairs(owner: dict[str, Any]) -> dict[str, Any]:
    return {one.get("key", ""): _value(one.get("value")) for one in owner.get("attributes", [])}


def _value(typed: dict[str, Any] | None) -> Any:
    """The value of which the protocol says its type, too."""
    for kind, value in (typed or {}).items():
        match kind:
            case "int_value":
                return int(value)
            case "double_value":
                return _NOT_FINITE.get(value, value)
            case "array_value":
                return [_value(one) for one in value.get("values", [])]
            case "kvlist_value":
                pairs = value.get("values", [])
                return {one.get("key", ""): _value(one.get("value")) for one in pairs}
            case _:
                return value
    return None
