"""A collector of the tests' own: takes OTLP as JSON over HTTP and reads it with the official
messages, strictly: a field that they do not know fails."""

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = ("traceId", "spanId", "parentSpanId")


class Collector:
    """What has come. `status` is what is answered from now on, with `headers` and `body`; while
    `silent`, nothing is."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"{}"
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.trouble: list[str] = []
        self._traces: list[ExportTraceServiceRequest] = []
        self._metrics: list[ExportMetricsServiceRequest] = []

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.requests.append((path, headers))
        if self.status != 200:
            return
        assert headers["content-type"] == "application/json"
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if path.endswith("/v1/traces"):
            # The protocol has ids as hex, where protobuf's own JSON has bytes as base64.
            text = json.dumps(_in_base64(json.loads(body)))
            self._traces.append(Parse(text, ExportTraceServiceRequest()))
        else:
            assert path.endswith("/v1/metrics"), path
            self._metrics.append(Parse(body, ExportMetricsServiceRequest()))

    def spans(self) -> list[Any]:
        return [
            span
            for request in list(self._traces)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resources(self) -> list[dict[str, Any]]:
        found = [one.resource for request in list(self._traces) for one in request.resource_spans]
        found += [one.resource for request in self._metrics for one in request.resource_metrics]
        return [plain(resource.attributes) for resource in found]

    def metrics(self) -> dict[str, Any]:
        """Those that came last, by name."""
        if not self._metrics:
            return {}
        [resource] = self._metrics[-1].resource_metrics
        [scope] = resource.scope_metrics
        return {metric.name: metric for metric in scope.metrics}


def plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def points(metric: Any) -> dict[tuple[Any, ...], int]:
    """The counts of a sum by the values of its attributes."""
    return {tuple(plain(p.attributes).values()): p.as_int for p in metric.sum.data_points}


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.goes_on.wait()
            try:
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.take(self.path, headers, body)
            except Exception as error:  # noqa: BLE001 - the test is told below
                collector.trouble.append(repr(error))
            self.send_response(collector.status)
            for name, value in collector.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(collector.body)))
            self.end_headers()
            self.wfile.write(collector.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join(30)
    assert collector.trouble == []


def _in_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(item)).decode() if name in IDS else _in_base64(item)
        for name, item in value.items()
    }
