"""Spans as MLflow's database has them, as OpenTelemetry's protocol has them in JSON."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from ml_workspace_lab.api.types import number_to_wire

_CODE = "STATUS_CODE_"
_INT64 = range(-(2**63), 2**63)
_TRACE = re.compile(r"(?:tr-)?([0-9a-f]{32})")


def span_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a span's record, of its row. Raises ValueError and the like where its content
    is damaged."""
    return {
        "span_id": row["span_id"],
        "parent_id": row["parent_span_id"] or None,
        "name": row["name"] or "",
        "type": row["type"] or "UNKNOWN",
        "status": row["status"],
        "started": row["start_time_unix_nano"],
        "ended": row["end_time_unix_nano"] or 0,
        "body": json.dumps(as_otlp(json.loads(row["content"]), row)),
    }


def as_otlp(content: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """A span as its client would send it; `row` has its ids."""
    status = content.get("status") or {}
    code = str(status.get("code") or "UNSET").removeprefix(_CODE)
    found: dict[str, Any] = {
        "trace_id": _trace_id(content["trace_id"]),
        "span_id": _from_hex(row["span_id"]),
        "parent_span_id": _from_hex(row["parent_span_id"] or ""),
        "name": content.get("name") or "",
        "start_time_unix_nano": str(content["start_time_unix_nano"]),
        "end_time_unix_nano": str(content.get("end_time_unix_nano") or ""),
        "attributes": [
            _pair(key, _said(value)) for key, value in (content.get("attributes") or {}).items()
        ],
        "events": [
            {
                "time_unix_nano": str(event["time_unix_nano"]),
                "name": event["name"],
                **_attributes(event),
            }
            for event in content.get("events") or ()
        ],
        "links": [
            {
                "trace_id": _trace_id(link["trace_id"]),
                "span_id": _from_hex(link["span_id"]),
                **_attributes(link),
            }
            for link in content.get("links") or ()
        ],
    }
    said = {"message": status.get("message") or "", "code": "" if code == "UNSET" else _CODE + code}
    return {
        **{name: value for name, value in found.items() if value},
        "status": {name: value for name, value in said.items() if value},
    }


def _trace_id(given: str) -> str:
    """The id of a trace in base64; clients of 3.5 wrote it in hex."""
    found = _TRACE.fullmatch(given)
    if found:
        return _from_hex(found[1])
    if len(base64.b64decode(given, validate=True)) != 16:
        raise ValueError(f"{given[:80]!r} is not the id of a trace")
    return given


def _from_hex(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def _said(text: Any) -> Any:
    """An attribute's value, which MLflow writes as JSON in a text; others' are text as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


def _attributes(owner: Mapping[str, Any]) -> dict[str, Any]:
    pairs = [_pair(key, value) for key, value in (owner.get("attributes") or {}).items()]
    return {"attributes": pairs} if pairs else {}


def _pair(key: str, value: Any) -> dict[str, Any]:
    pair: dict[str, Any] = {"key": _text(key)}
    if value is not None:
        pair["value"] = _typed(value)
    return pair


def _typed(value: Any) -> dict[str, Any]:
    """The value with its type."""
    match value:
        case None:
            return {}
        case bool():
            return {"bool_value": value}
        case int() if value in _INT64:
            return {"int_value": str(value)}
        case float():
            return {"double_value": number_to_wire(value)}
        case list():
            return {"array_value": {"values": [_typed(one) for one in value]} if value else {}}
        case dict():
            pairs = [_pair(key, one) for key, one in value.items()]
            return {"kvlist_value": {"values": pairs} if pairs else {}}
        case _:
            return {"string_value": _text(str(value))}


def _text(text: str) -> str:
    """The text, with marks in place of halves of characters, which the protocol refuses."""
    return text.encode("utf-8", "replace").decode()
