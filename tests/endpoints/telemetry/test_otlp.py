"""Metrics and spans as a collector gets them, read with OpenTelemetry's own messages."""

import socket
import time
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab.endpoints.folder import EndpointFolder
from ml_workspace_lab.endpoints.telemetry.model import Export
from tests.endpoints.process import scoring
from tests.endpoints.telemetry.collector import Collector, collecting, plain, points
from tests.endpoints.telemetry.test_sampling import counts
from tests.waiting import eventually

ANSWERS = """
def init():
    pass

def run(data):
    if "fail" in data:
        raise KeyError("who asked for this is a secret")
    return 1
"""
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PREFIX = "ml_workspace.endpoint"


def rule(collector: Collector, **more: float) -> Export:
    return Export(collector.url, **{"interval_seconds": 0.2, **more})


def test_nothing_is_sent_unless_it_is_asked_for(tmp_path: Path) -> None:
    """Nobody else than who asks has a connection to or from a process."""
    with scoring(tmp_path, {"m": b""}, ANSWERS) as process:
        assert process.post("{}").status == 200
        found = psutil.Process(process.process.pid)
        kinds = {one.status for one in found.net_connections() if one.family != socket.AF_UNIX}
        assert kinds <= {psutil.CONN_LISTEN, psutil.CONN_CLOSE_WAIT, psutil.CONN_TIME_WAIT}
        assert "exported" not in process.ask("GET", "/metrics").content.decode()


def test_a_span_goes_on_with_the_trace_of_its_client(tmp_path: Path) -> None:
    with collecting() as collector:
        with scoring(tmp_path, {"m": b""}, ANSWERS, export=rule(collector)) as process:
            before = time.time_ns()
            answer = process.post(
                "{}",
                traceparent=f"00-{TRACE}-{SPAN}-01",
                tracestate="vendor=a",
                x_ms_client_request_id="mine",
            )
            [span] = eventually(collector.spans, what="a span comes")
            after = time.time_ns()
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
        assert span.span_id.hex() not in (SPAN, "0" * 16)
        assert (span.name, span.kind, span.trace_state) == ("POST /score", 2, "vendor=a")
        assert before - 10**9 < span.start_time_unix_nano <= span.end_time_unix_nano < after
        found = plain(span.attributes)
        assert found["http.response.status_code"] == 200
        assert found[f"{PREFIX}.request_id"] == answer.headers["x-request-id"]
        assert found[f"{PREFIX}.client_request_id"] == "mine"
        assert span.status.code == 0
        resource = collector.resources()[0]
        assert resource["service.name"] == "an-endpoint"
        assert resource["service.version"] == "3"
        assert resource[f"{PREFIX}.deployment"] == "default"
        assert resource[f"{PREFIX}.model"] == "a model"


def test_a_request_that_fails_is_a_span_with_an_error_and_without_what_it_said(
    tmp_path: Path,
) -> None:
    with collecting() as collector:
        with scoring(tmp_path, {"m": b""}, ANSWERS, export=rule(collector)) as process:
            assert process.post("fail", Content_Type="text/plain").status == 500
            [span] = eventually(collector.spans, what="a span comes")
        assert span.status.code == 2
        assert plain(span.attributes)["error.type"] == "KeyError"
        [event] = span.events
        assert (event.name, plain(event.attributes)) == (
            "exception",
            {"exception.type": "KeyError"},
        )
        assert len(span.trace_id) == 16
        assert span.parent_span_id == b""


def test_the_client_says_whether_its_trace_is_recorded(tmp_path: Path) -> None:
    with collecting() as collector:
        with scoring(
            tmp_path, {"m": b""}, ANSWERS, export=rule(collector, trace_share=0)
        ) as process:
            for parent in (f"00-{TRACE}-{SPAN}-00", "", "00-nonsense", f"00-{'0' * 32}-{SPAN}-01"):
                assert process.post("{}", traceparent=parent).status == 200
            assert process.post("{}", traceparent=f"00-{TRACE}-{SPAN}-01").status == 200
            eventually(collector.spans, what="the last one comes")
            process.process.terminate()
            process.process.wait(30)
        assert [span.trace_id.hex() for span in collector.spans()] == [TRACE]


def test_metrics_are_what_the_process_has_counted(tmp_path: Path) -> None:
    with collecting() as collector:
        with scoring(tmp_path, {"m": b""}, ANSWERS, export=rule(collector)) as process:
            for body in ("{}", "{}", "fail"):
                process.post(body, Content_Type="text/plain")
            assert process.ask("GET", "/").status == 200

            def counted() -> bool:
                found = collector.metrics()
                return bool(found) and sum(points(found[f"{PREFIX}.requests"]).values()) >= 4

            eventually(counted, what="all are counted")
        found = collector.metrics()
        assert points(found[f"{PREFIX}.requests"]) == {
            ("health", 200): 1,
            ("score", 200): 2,
            ("score", 500): 1,
        }
        assert points(found[f"{PREFIX}.errors"]) == {(): 1}
        assert points(found[f"{PREFIX}.exceptions"]) == {("KeyError",): 1}
        [point] = found[f"{PREFIX}.duration"].histogram.data_points
        assert point.count == sum(point.bucket_counts) == 2
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
        assert 0 < point.sum < 60
        assert found[f"{PREFIX}.requests"].sum.is_monotonic
        assert found[f"{PREFIX}.requests"].sum.aggregation_temporality == 2
        [gauge] = found[f"{PREFIX}.active_requests"].gauge.data_points
        assert gauge.as_int == 0
        assert point.start_time_unix_nano < point.time_unix_nano


def test_the_names_of_opentelemetry_say_where_it_goes(tmp_path: Path) -> None:
    with collecting() as collector:
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{collector.url}/base/",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-team=a%20b,Authorization=Basic%20eA%3D%3D",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_SERVICE_NAME": "a-service",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,service.name=not-this",
        }
        with scoring(tmp_path, {"m": b""}, ANSWERS, **told) as process:
            assert process.post("{}").status == 200
            eventually(lambda: collector.spans() and collector.metrics(), what="both come")
        paths = {path for path, _ in collector.requests}
        assert paths == {"/base/v1/traces", "/base/v1/metrics"}
        headers = collector.requests[0][1]
        assert (headers["x-team"], headers["authorization"]) == ("a b", "Basic eA==")
        assert headers["content-encoding"] == "gzip"
        resource = collector.resources()[0]
        assert resource["service.name"] == "a-service"
        assert resource["deployment.environment.name"] == "test"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT: 'soon'"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a secret"}, "OTEL_EXPORTER_OTLP_HEADERS: a part"),
    ],
)
def test_what_the_environment_says_wrongly_is_told_and_nothing_is_sent(
    tmp_path: Path, told: dict[str, str], said: str
) -> None:
    with collecting() as collector:
        base = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with scoring(tmp_path, {"m": b""}, ANSWERS, **{**base, **told}) as process:
            assert process.post("{}").status == 200
            generation = EndpointFolder(tmp_path).generation(1)
            trouble = eventually(lambda: [one.trouble for one in generation.read_observed()])
        assert said in trouble[0]
        assert said in process.log.read_text()
        assert "a secret" not in process.log.read_text()
        assert collector.requests == []


@pytest.mark.parametrize("name", ["OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"])
def test_what_is_switched_off_is_not_sent(tmp_path: Path, name: str) -> None:
    with collecting() as collector:
        variable, _, value = name.partition("=")
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
            variable: value,
        }
        with scoring(tmp_path, {"m": b""}, ANSWERS, **told) as process:
            assert process.post("{}").status == 200
            if variable == "OTEL_TRACES_EXPORTER":
                eventually(collector.metrics, what="metrics come")
            process.process.terminate()
            process.process.wait(30)
        assert collector.spans() == []
        assert bool(collector.requests) is (variable == "OTEL_TRACES_EXPORTER")


def test_a_collector_that_is_away_for_a_while_gets_each_span_once(tmp_path: Path) -> None:
    with collecting() as collector:
        collector.status = 503
        with scoring(tmp_path, {"m": b""}, ANSWERS, export=rule(collector)) as process:
            for _ in range(20):
                assert process.post("{}").status == 200
            eventually(lambda: len(collector.requests) >= 3, what="it is tried again")
            assert counts(process, "exported_total").get("spans_lost", 0) == 0
            collector.status = 200
            eventually(lambda: len(collector.spans()) >= 20, what="all come")
            assert len({span.span_id for span in collector.spans()}) == 20
            eventually(lambda: counts(process, "exported_total").get("spans_sent") == 20)
        assert "answers 503" in process.log.read_text()


def test_what_a_collector_refuses_for_good_is_lost_and_counted(tmp_path: Path) -> None:
    with collecting() as collector:
        collector.status = 400
        with scoring(tmp_path, {"m": b""}, ANSWERS, export=rule(collector)) as process:
            assert process.post("{}").status == 200
            eventually(lambda: counts(process, "exported_total").get("spans_lost") == 1)
        collector.status = 200


def test_what_a_collector_rejects_in_part_is_counted(tmp_path: Path) -> None:
    with collecting() as collector:
        collector.body = b'{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}'
        with scoring(tmp_path, {"m": b""}, ANSWERS, export=rule(collector)) as process:
            assert process.post("{}").status == 200
            eventually(lambda: counts(process, "exported_total").get("spans_lost") == 1)
        assert "too old" in process.log.read_text()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_collector_that_does_not_answer_holds_up_no_request(
    tmp_path: Path, is_there: bool
) -> None:
    """What comes while too many spans wait is lost, and counted."""
    with collecting() as collector:
        url = collector.url
        collector.goes_on.clear()
        if not is_there:
            with socket.create_server(("127.0.0.1", 0)) as free:
                url = f"http://127.0.0.1:{free.getsockname()[1]}"
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_MAX_QUEUE_SIZE": "10",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with scoring(tmp_path, {"m": b""}, ANSWERS, **told) as process:
            for _ in range(200):
                began = time.monotonic()
                assert process.post("{}").status == 200
                assert time.monotonic() - began < 5
            assert counts(process, "exported_total")["spans_lost"] > 0
            process.process.terminate()
            # It leaves all the same.
            process.process.wait(30)


def test_a_process_that_leaves_sends_what_waits(tmp_path: Path) -> None:
    with collecting() as collector:
        slow = Export(collector.url, interval_seconds=3600)
        with scoring(tmp_path, {"m": b""}, ANSWERS, export=slow) as process:
            assert process.post("{}").status == 200
            process.process.terminate()
            process.process.wait(30)
        assert len(collector.spans()) == 1
        assert points(collector.metrics()[f"{PREFIX}.requests"]) == {("score", 200): 1}
