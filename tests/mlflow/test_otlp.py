"""Spans from senders that mean no good, or are odd."""

import gzip
import json
from collections.abc import Iterator

import pytest

from tests.mlflow.conformance.conftest import serving
from tests.mlflow.conformance.target import Target, ok
from tests.mlflow.conformance.test_traces import TRACES, export, new_id, otlp, span

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with serving(tmp_path_factory.mktemp("otlp")) as (target, _):
        yield target


def test_a_body_that_grows_without_end_is_refused(ours: Target) -> None:
    bomb = gzip.compress(b"\0" * 65 * MIB)
    answer = export(ours, "0", bomb, **{"Content-Encoding": "gzip"})
    assert answer.status == 413


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"x-mlflow-experiment-id": ""}, 422),
        (otlp(new_id(), span("x")), {"x-mlflow-experiment-id": "x"}, 400),
        (otlp(new_id(), span("x")), {"x-mlflow-experiment-id": "999999"}, 404),
        (otlp("00", span("x")), {}, 422),
        (otlp(new_id(), {**span("x"), "spanId": "00"}), {}, 422),
        (otlp(new_id(), {**span("x"), "startTimeUnixNano": "1" * 30}), {}, 400),
        (otlp(new_id(), {**span("x"), "startTimeUnixNano": str(2**64 - 1)}), {}, 400),
        (b'{"resourceSpans":' + b"[" * 5000, {}, 400),
        (gzip.compress(b"{}", mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400),
        (b"", {"Content-Encoding": "br"}, 400),
        (otlp(new_id(), span("x", attributes=[
            {"key": "mlflow.traceRequestId", "value": {"stringValue": '"../../x"'}}])), {}, 400),
        (otlp(new_id(), span("x")), {"x-mlflow-run-id": "nonsense"}, 404),
    ],
)  # fmt: skip
def test_what_can_not_be_kept_is_refused(
    ours: Target, body: object, headers: dict[str, str], status: int
) -> None:
    assert export(ours, "0", body, **headers).status == status


def test_a_large_and_an_odd_value_are_kept_whole(ours: Target) -> None:
    trace, text = new_id(), "ü" * MIB
    odd = {"key": "odd", "value": {"doubleValue": "NaN"}}
    large = {"key": "large", "value": {"stringValue": text}}
    ok(export(ours, "0", otlp(trace, span("x", attributes=[odd, large]))))
    (found,) = ok(ours.get(f"{TRACES}/get", trace_id=f"tr-{trace}"))["trace"]["spans"]
    values = {one["key"]: one["value"] for one in found["attributes"]}
    assert values["odd"] == {"double_value": "NaN"}
    assert values["large"] == {"string_value": text}


def test_all_spans_of_a_message_are_taken_or_none(ours: Target) -> None:
    good, bad = new_id(), new_id()
    body = otlp(good, span("x"))
    body["resourceSpans"] += otlp(bad, {**span("y"), "spanId": "00"})["resourceSpans"]
    assert export(ours, "0", json.dumps(body).encode()).status == 422
    assert ours.get(f"{TRACES}/tr-{good}").status == 404


def test_an_experiment_in_the_trash_takes_no_spans(
    ours: Target, tmp_path_factory: pytest.TempPathFactory
) -> None:
    experiment_id = ours.experiment()
    ok(ours.post("experiments/delete", experiment_id=experiment_id))
    assert export(ours, experiment_id, otlp(new_id(), span("x"))).status == 400


def test_the_sender_is_an_attribute_of_the_root(ours: Target) -> None:
    trace = new_id()
    body = otlp(trace, span("root"))
    service = {"key": "service.name", "value": {"stringValue": "gemini-cli"}}
    body["resourceSpans"][0]["resource"] = {"attributes": [service]}
    child = {**span("child"), "traceId": trace, "parentSpanId": new_id()[:16]}
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].append(child)
    ok(export(ours, "0", body))
    spans = ok(ours.get(f"{TRACES}/get", trace_id=f"tr-{trace}"))["trace"]["spans"]
    said = {
        one["name"]: [a["value"] for a in one.get("attributes", []) if a["key"] == "service.name"]
        for one in spans
    }
    assert said == {"root": [{"string_value": "gemini-cli"}], "child": []}
