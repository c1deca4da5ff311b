"""Spans as OpenTelemetry's protocol sends them (OTLP over HTTP, protobuf or JSON)."""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from ml_workspace_lab.api.strict_json import loads
from ml_workspace_lab.errors import InvalidInput, TooLarge
from ml_workspace_lab.mlflow import lookup
from ml_workspace_lab.mlflow.errors import NotOffered, Unconvertible
from ml_workspace_lab.mlflow.wire import JSON_LIMIT, Request, Response
from ml_workspace_lab.tracing.model import AddSpans, Span, UpdateTrace

EXPERIMENT = "X-MLflow-Experiment-Id"
RUN = "X-MLflow-Run-Id"
PROTOBUF = "application/x-protobuf"
SERVICE = "service.name"
"""OpenTelemetry's name for who sends, an attribute of all spans of a resource."""
PREVIEW = 1000
"""Characters of a root's inputs and outputs that stand for them in lists of traces."""

_IDS = ("traceId", "spanId", "parentSpanId")
_STATUS = {0: "UNSET", 1: "OK", 2: "ERROR"}


def export(request: Request) -> Response:
    """Keep the spans of one message, all or none."""
    experiment_id = request.headers.get(EXPERIMENT)
    if not experiment_id:
        raise Unconvertible(f"The header {EXPERIMENT} is missing.", field=EXPERIMENT)
    content_type = request.headers.get("Content-Type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in (PROTOBUF, "application/json"):
        raise InvalidInput(
            f"Invalid Content-Type: {content_type[:200]!r} is neither {PROTOBUF} nor"
            " application/json.",
            field="Content-Type",
        )
    message = _message(_plain(request), is_json=media_type != PROTOBUF)
    spans = list(_spans(message))
    if not spans:
        raise InvalidInput("Invalid OpenTelemetry format - no spans found")
    experiment = lookup.active_experiment(request.connection, experiment_id)
    run_id = request.headers.get(RUN)
    links = [lookup.run(request.connection, run_id).run_id] if run_id else []
    request.connection.traces.add_spans(experiment.name, AddSpans(spans))
    if links:
        for trace_id in {span.trace_id for span in spans if span.parent_id is None}:
            request.connection.traces.update(trace_id, UpdateTrace(link_runs=links))
    answer = b"" if media_type == PROTOBUF else b"{}"
    return Response(200, {"Content-Type": media_type}, answer)


def _plain(request: Request) -> bytes:
    """The body as it was before it was compressed; what would grow too large is refused."""
    encoding = (request.headers.get("Content-Encoding") or "identity").lower()
    body = request.body.read()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise InvalidInput("Content-Encoding must be gzip or deflate.", field="Content-Encoding")
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        plain = decoder.decompress(body, JSON_LIMIT)
    except zlib.error:
        raise InvalidInput("The body is not compressed as it says.") from None
    if decoder.unconsumed_tail:
        raise TooLarge(f"The body has more than {JSON_LIMIT} bytes when it is decompressed.")
    if not decoder.eof:
        raise InvalidInput("The compressed body is cut off.")
    return plain


def _message(body: bytes, *, is_json: bool) -> Any:
    try:
        from google.protobuf.json_format import ParseDict, ParseError
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )
    except ImportError:
        raise NotOffered(
            "Spans are not taken one by one here.",
            hint="Install the extra: pip install 'ml_workspace_lab[tracing]'.",
        ) from None
    message = ExportTraceServiceRequest()
    try:
        if is_json:
            ParseDict(_with_base64_ids(loads(body)), message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(body)
    except (DecodeError, ParseError, binascii.Error, ValueError, TypeError, AttributeError):
        raise InvalidInput("Invalid OpenTelemetry format") from None
    return message


def _with_base64_ids(body: Any) -> Any:
    """OTLP writes ids as hex, where JSON of protocol buffers has base64."""
    for resource in body.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for name in _IDS:
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return body


def _spans(message: Any) -> Iterator[Span]:
    from google.protobuf.json_format import MessageToDict

    for resource in message.resource_spans:
        services = [one for one in resource.resource.attributes if one.key == SERVICE]
        for scope in resource.scope_spans:
            for span in scope.spans:
                if not span.parent_span_id and all(one.key != SERVICE for one in span.attributes):
                    span.attributes.extend(services)  # who made the trace is seen at its root
                yield _span(span, MessageToDict)


def _span(span: Any, to_dict: Callable[..., Any]) -> Span:
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or len(span.parent_span_id) not in (0, 8):
        raise Unconvertible("Invalid OpenTelemetry format: an id has not its length.")
    texts = {one.key: one.value.string_value for one in span.attributes}
    return Span(
        trace_id=str(_said(texts, "mlflow.traceRequestId") or f"tr-{span.trace_id.hex()}"),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        name=span.name,
        started=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        type=str(_said(texts, "mlflow.spanType") or "UNKNOWN"),
        status=_STATUS.get(span.status.code, "UNSET"),  # type: ignore[arg-type]
        body=json.dumps(to_dict(span, preserving_proto_field_name=True)),
        request_preview=texts.get("mlflow.spanInputs", "")[:PREVIEW] or None,
        response_preview=texts.get("mlflow.spanOutputs", "")[:PREVIEW] or None,
    )


def _said(texts: dict[str, str], key: str) -> Any:
    """An attribute of MLflow's, which are JSON in text; others send plain text."""
    text = texts.get(key, "")
    try:
        return json.loads(text)
    except ValueError:
        return text
