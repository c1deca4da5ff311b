"""Traces, their spans and what is thought of them."""

import base64
import gzip
import json
import os
from typing import Any

import pytest

from tests.http import Answer
from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok

TRACES = "/api/3.0/mlflow/traces"
STAMP = "2026-11-24T01:02:03.456Z"


def new_id() -> str:
    return os.urandom(16).hex()


def base64_of(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def start(target: Target, experiment_id: str, **fields: Any) -> Json:
    info = {
        "trace_id": f"tr-{new_id()}",
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment_id},
        },
        "request_time": STAMP,
        "execution_duration": "1.250s",
        "state": "OK",
        **fields,
    }
    answer = ok(target.send("POST", TRACES, {"trace": {"trace_info": info}}))
    made: Json = answer["trace"]["trace_info"]
    return made


def read(target: Target, trace_id: str) -> Json:
    info: Json = ok(target.get(f"{TRACES}/{trace_id}"))["trace"]["trace_info"]
    return info


def found(target: Target, experiment_id: str, text: str = "", **fields: Any) -> list[str]:
    answer = ok(search(target, experiment_id, filter=text, **fields))
    return [one["trace_id"] for one in answer.get("traces", [])]


def search(target: Target, experiment_id: str, **fields: Any) -> Answer:
    locations = [
        {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    ]
    return target.send("POST", f"{TRACES}/search", {"locations": locations, **fields})


def otlp(trace: str, *spans: Json) -> Json:
    scope = [{"spans": [{"traceId": trace, "kind": 1, **span} for span in spans]}]
    return {"resourceSpans": [{"scopeSpans": scope}]}


def span(name: str, parent: str | None = None, **fields: Any) -> Json:
    times = {
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000000500000000",
    }
    links = {"parentSpanId": parent} if parent else {}
    return {"spanId": os.urandom(8).hex(), "name": name, **times, **links, **fields}


def export(target: Target, experiment_id: str, body: Any, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    wanted = {"Content-Type": "application/json", "x-mlflow-experiment-id": experiment_id}
    return target.request("POST", "/v1/traces", raw, {**wanted, **headers})


def test_a_trace_is_told_of_and_read(target: Target) -> None:
    made = start(
        target, target.experiment(), client_request_id="mine", request_preview="in",
        response_preview="out", tags={"k": "v"}, trace_metadata={"m": "w"},
    )  # fmt: skip
    info = read(target, made["trace_id"])
    assert info["request_time"] == STAMP
    assert info["execution_duration"] in ("1.250s", "1.25s")
    assert (info["state"], info["client_request_id"]) == ("OK", "mine")
    assert (info["request_preview"], info["response_preview"]) == ("in", "out")
    assert info["tags"]["k"] == "v"
    assert info["trace_metadata"]["m"] == "w"
    assert made["trace_id"] in info["tags"]["mlflow.artifactLocation"]
    missing(target.get(f"{TRACES}/tr-{new_id()}"), "not found")


def test_spans_are_taken_and_come_back(target: Target) -> None:
    experiment_id, trace = target.experiment(), new_id()
    root = span("root", attributes=[{"key": "n", "value": {"intValue": "7"}}])
    child = span("child", root["spanId"], status={"code": 2, "message": "no"})
    ok(export(target, experiment_id, otlp(trace, child)))
    ok(export(target, experiment_id, otlp(trace, root)))
    info = read(target, f"tr-{trace}")
    assert info["state"] == "OK"
    assert info["tags"]["mlflow.trace.spansLocation"] == "TRACKING_STORE"
    answer = ok(target.get(f"{TRACES}/get", trace_id=f"tr-{trace}"))["trace"]
    names = {one["name"]: one for one in answer["spans"]}
    assert set(names) == {"root", "child"}
    assert names["child"]["status"] == {"code": "STATUS_CODE_ERROR", "message": "no"}
    assert int(names["root"]["start_time_unix_nano"]) == 1_700_000_000_000_000_000
    whole = ok(target.get(f"{TRACES}/batchGet", trace_ids=[f"tr-{trace}"]))["traces"]
    assert [len(one["spans"]) for one in whole] == [2]


def test_a_thousand_traces_and_more_are_asked_for_at_once(target: Target) -> None:
    ids = [f"tr-{new_id()}" for _ in range(1500)]
    assert ok(target.get(f"{TRACES}/batchGet", trace_ids=ids)).get("traces", []) == []


def test_a_compressed_message_is_taken(target: Target) -> None:
    experiment_id, trace = target.experiment(), new_id()
    body = gzip.compress(json.dumps(otlp(trace, span("root"))).encode())
    ok(export(target, experiment_id, body, **{"Content-Encoding": "gzip"}))
    assert read(target, f"tr-{trace}")["state"] == "OK"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", {}),
        (b"nonsense", {}),
        (b"\xff\xff\xff", {"Content-Type": "application/x-protobuf"}),
        (b"{}", {"Content-Type": "text/plain"}),
        (b"nonsense", {"Content-Encoding": "gzip"}),
        (b"[]", {}),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', {}),
    ],
)
def test_a_message_without_sense_is_refused(
    target: Target, body: bytes, headers: dict[str, str]
) -> None:
    answer = export(target, target.experiment(), body, **headers)
    theirs = 500 if body == b"[]" else 400
    assert answer.status == target.choose("otlp-shape", theirs=theirs, ours=400)


def test_traces_are_searched(target: Target) -> None:
    experiment_id = target.experiment()
    a = start(target, experiment_id, tags={"k": "v", "mlflow.traceName": "first"})["trace_id"]
    later = {"request_time": "2026-11-24T01:02:04Z", "execution_duration": "0.001s"}
    b = start(target, experiment_id, state="ERROR", trace_metadata={"m": "w"}, **later)["trace_id"]
    assert found(target, experiment_id) == [b, a]
    assert found(target, experiment_id, order_by=["timestamp_ms ASC"]) == [a, b]
    assert found(target, experiment_id, "status = 'ERROR'") == [b]
    assert found(target, experiment_id, "attributes.name = 'first'") == [a]
    assert found(target, experiment_id, "tags.k = 'v'") == [a]
    assert found(target, experiment_id, "metadata.m LIKE 'w%'") == [b]
    assert found(target, experiment_id, "execution_time_ms > 100") == [a]
    assert found(target, experiment_id, f"request_id = '{a}'") == [a]
    invalid(search(target, experiment_id, filter="nothing = 'x'"))
    invalid(search(target, experiment_id, max_results=501))
    answer = search(target, experiment_id, order_by=["tags.status"])
    assert answer.status == target.choose("trace-order", theirs=200, ours=400)


def test_pages_of_traces_follow_each_other(target: Target) -> None:
    experiment_id = target.experiment()
    wanted = {start(target, experiment_id)["trace_id"] for _ in range(5)}
    seen: list[str] = []
    token = None
    while True:
        page = {"page_token": token} if token else {}
        answer = ok(search(target, experiment_id, max_results=2, **page))
        seen += [one["trace_id"] for one in answer["traces"]]
        if not (token := answer.get("next_page_token")):
            break
    assert (len(seen), set(seen)) == (5, wanted)


def test_tags_of_a_trace_come_and_go(target: Target) -> None:
    trace_id = start(target, target.experiment())["trace_id"]
    ok(target.patch(f"{TRACES}/{trace_id}/tags", key="k", value="v"))
    assert read(target, trace_id)["tags"]["k"] == "v"
    ok(target.delete(f"{TRACES}/{trace_id}/tags", key="k"))
    assert "k" not in read(target, trace_id)["tags"]
    missing(target.delete(f"{TRACES}/{trace_id}/tags", key="k"))
    invalid(target.patch(f"{TRACES}/{trace_id}/tags", value="v"), "key")


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_traces_are_deleted(target: Target, version: str) -> None:
    experiment_id = target.experiment()
    ids = [start(target, experiment_id)["trace_id"] for _ in range(3)]
    path = f"/api/{version}/mlflow/traces/delete-traces"
    answer = ok(target.post(path, experiment_id=experiment_id, request_ids=ids[:1]))
    assert int(answer["traces_deleted"]) == 1
    missing(target.get(f"{TRACES}/{ids[0]}"))
    body = {"experiment_id": experiment_id, "max_timestamp_millis": 4_000_000_000_000}
    answer = ok(target.post(path, **body, max_traces=1))
    assert int(answer["traces_deleted"]) == 1
    assert len(found(target, experiment_id)) == 1
    invalid(target.post(path, experiment_id=experiment_id))


def test_traces_are_linked_to_runs(target: Target) -> None:
    experiment_id = target.experiment()
    trace_id, run_id = start(target, experiment_id)["trace_id"], target.run(experiment_id)
    ok(target.post("traces/link-to-run", trace_ids=[trace_id], run_id=run_id))
    assert found(target, experiment_id, f"attributes.run_id = '{run_id}'") == [trace_id]
    invalid(target.post("traces/link-to-run", trace_ids=["tr-1"] * 101, run_id=run_id), "100")


def test_a_trace_may_come_after_the_link_to_its_run(target: Target) -> None:
    """Clients send traces by and by, and links at once."""
    experiment_id = target.experiment()
    run_id, trace_id = target.run(experiment_id), f"tr-{new_id()}"
    ok(target.post("traces/link-to-run", trace_ids=[trace_id], run_id=run_id))
    assert found(target, experiment_id) == []
    start(target, experiment_id, trace_id=trace_id)
    assert found(target, experiment_id, f"attributes.run_id = '{run_id}'") == [trace_id]


def test_the_spans_of_a_trace_come_as_a_file(target: Target) -> None:
    experiment_id, trace = target.experiment(), new_id()
    typed = {
        "text": {"stringValue": "ü"}, "whole": {"intValue": "7"}, "half": {"doubleValue": 0.5},
        "yes": {"boolValue": True}, "list": {"arrayValue": {"values": [{"intValue": "1"}]}},
        "mlflow.spanInputs": {"kvlistValue": {"values": [
            {"key": "q", "value": {"stringValue": "why"}}]}},
    }  # fmt: skip
    attributes = [{"key": key, "value": value} for key, value in typed.items()]
    events = [{"name": "e", "timeUnixNano": "1700000000000000001", "attributes": attributes[:1]}]
    root = span("root", attributes=attributes, events=events, status={"code": 2, "message": "no"})
    ok(export(target, experiment_id, otlp(trace, root, span("child", root["spanId"]))))
    path = "/ajax-api/2.0/mlflow/get-trace-artifact"
    answer = target.get(path, request_id=f"tr-{trace}")
    assert answer.headers["Content-Disposition"] == "attachment; filename=traces.json"
    found = {one["name"]: one for one in ok(answer)["spans"]}
    assert found["child"]["parent_span_id"] == found["root"]["span_id"] == base64_of(root["spanId"])
    assert found["child"]["status"] == {"code": "STATUS_CODE_UNSET", "message": ""}
    assert found["root"] == {
        "trace_id": base64_of(trace), "span_id": base64_of(root["spanId"]), "parent_span_id": None,
        "name": "root", "start_time_unix_nano": 1_700_000_000_000_000_000,
        "end_time_unix_nano": 1_700_000_000_500_000_000, "links": [],
        "events": [
            {"name": "e", "time_unix_nano": 1_700_000_000_000_000_001, "attributes": {"text": "ü"}}
        ],
        "status": {"code": "STATUS_CODE_ERROR", "message": "no"},
        "attributes": {
            "text": '"ü"', "whole": "7", "half": "0.5", "yes": "true", "list": "[1]",
            "mlflow.spanInputs": '{"q": "why"}', "mlflow.traceRequestId": f'"tr-{trace}"',
        },
    }  # fmt: skip
    missing(target.get("/ajax-api/2.0/mlflow/get-trace-artifact", request_id="tr-none"))


def test_traces_are_found_by_the_text_of_their_spans(target: Target) -> None:
    experiment_id, trace = target.experiment(), new_id()
    attributes = [
        {"key": "customer", "value": {"stringValue": "grüße"}},
        {"key": "mlflow.spanInputs", "value": {"kvlistValue": {"values": [
            {"key": "q", "value": {"stringValue": "Why so"}}]}}},
    ]  # fmt: skip
    ok(export(target, experiment_id, otlp(trace, span("a root", attributes=attributes))))
    for pattern in ("LIKE '%grüße%'", "LIKE '%Why%'", "ILIKE '%WHY SO%'", "LIKE '%customer%'",
                    "LIKE '%a root%'"):  # fmt: skip
        assert found(target, experiment_id, f"trace.text {pattern}") == [f"tr-{trace}"]
    for pattern in ("LIKE '%value%'", "LIKE '%WHY SO%'", "LIKE '%nothing%'"):
        assert found(target, experiment_id, f"trace.text {pattern}") == []
    keys = found(target, experiment_id, "trace.text LIKE '%attributes%'")
    assert keys == target.choose("trace-text", theirs=[f"tr-{trace}"], ours=[])


def test_traces_are_found_by_the_attributes_of_one_span(target: Target) -> None:
    experiment_id, trace = target.experiment(), new_id()
    model = {"key": "model", "value": {"stringValue": "gpt-4.1"}}
    root = span("ask", attributes=[model])
    ok(export(target, experiment_id, otlp(trace, root, span("other", root["spanId"]))))
    for text, is_found in {
        "span.attributes.model LIKE '%gpt%'": True,
        "span.attributes.model ILIKE '%GPT%'": True,
        "span.attributes.model RLIKE '^gpt-[0-9]'": True,
        "span.attributes.model RLIKE 'gpt$'": False,
        "span.attributes.none LIKE '%gpt%'": False,
        "span.name RLIKE '^a.k$'": True,
        "span.name = 'ask' AND span.attributes.model LIKE '%gpt%'": True,
        "span.name = 'other' AND span.attributes.model LIKE '%gpt%'": False,
    }.items():
        assert found(target, experiment_id, text) == [f"tr-{trace}"] * is_found, text
    exact = found(target, experiment_id, "span.attributes.model = 'gpt-4.1'")
    assert exact == target.choose("span-equal", theirs=[], ours=[f"tr-{trace}"])
    invalid(search(target, experiment_id, filter="span.colour = 'red'"))
    unclosed = search(target, experiment_id, filter="tags.k RLIKE '('")
    assert unclosed.status == target.choose("regular", theirs=200, ours=400)


def test_traces_are_found_by_what_is_thought_of_them(target: Target) -> None:
    experiment_id = target.experiment()
    linked = json.dumps([{"name": "greet", "version": "2"}])
    trace_id = start(target, experiment_id, tags={"k": "value"})["trace_id"]
    start(target, experiment_id)
    path, stamps = f"{TRACES}/{trace_id}/assessments", {"create_time": STAMP}
    for name, value in (("score", 5), ("good", True), ("answer", "yes")):
        one = {"assessment_name": name, "feedback": {"value": value}, "last_update_time": STAMP}
        ok(target.post(path, assessment={**one, **stamps, "source": {"source_type": "HUMAN"}}))
    ok(target.patch(f"{TRACES}/{trace_id}/tags", key="mlflow.linkedPrompts", value=linked))
    for text in (
        "feedback.score > 4", "feedback.score <= 5.0",
        "feedback.good = 'true'", "feedback.answer RLIKE 'y.s'", "feedback.answer LIKE '%yes%'",
        "feedback.score IS NOT NULL", "tags.k RLIKE 'a.u'",
    ):  # fmt: skip
        assert found(target, experiment_id, text) == [trace_id], text
    for text in ("feedback.score > 5", "feedback.good > 0", "feedback.answer < 1"):
        assert found(target, experiment_id, text) == [], text


def test_files_of_a_trace_come_where_no_spans_were_sent(target: Target) -> None:
    made = start(target, target.experiment())
    root = made["tags"]["mlflow.artifactLocation"].removeprefix("mlflow-artifacts:/")
    for name in ("traces.json", "attachments/0123abcd-0123-4567-89ab-0123456789ab"):
        assert target.put_artifact(f"{root}/{name}", b'{"spans":[]}').status == 200
        path = name.removeprefix("attachments/").removeprefix("traces.json")
        query = {"request_id": made["trace_id"]} | ({"path": path} if path else {})
        answer = target.get("/ajax-api/2.0/mlflow/get-trace-artifact", **query)
        assert (answer.status, answer.content) == (200, b'{"spans":[]}')


def test_a_trace_whose_spans_are_on_their_way_is_not_there_yet(target: Target) -> None:
    experiment_id, trace = target.experiment(), new_id()
    said = {"mlflow.trace.sizeStats": json.dumps({"num_spans": 2})}
    start(target, experiment_id, trace_id=f"tr-{trace}", trace_metadata=said)
    ok(export(target, experiment_id, otlp(trace, span("root"))))
    missing(target.get(f"{TRACES}/get", trace_id=f"tr-{trace}"), "not fully exported")
    partial = ok(target.get(f"{TRACES}/get", trace_id=f"tr-{trace}", allow_partial="true"))
    assert [one["name"] for one in partial["trace"]["spans"]] == ["root"]


def test_assessments_are_made_changed_and_taken_away(target: Target) -> None:
    trace_id = start(target, target.experiment())["trace_id"]
    path = f"{TRACES}/{trace_id}/assessments"
    stamps = {"create_time": STAMP, "last_update_time": STAMP}
    feedback = {
        "assessment_name": "good", "feedback": {"value": True}, "rationale": "since",
        "source": {"source_type": "HUMAN", "source_id": "me"}, "metadata": {"k": "v"}, **stamps,
    }  # fmt: skip
    made = ok(target.post(path, assessment=feedback))["assessment"]
    assert (made["assessment_name"], made["feedback"]["value"]) == ("good", True)
    assert (made["rationale"], made["source"]["source_id"]) == ("since", "me")
    one = f"{path}/{made['assessment_id']}"
    change = {"feedback": {"value": 0.5}, "rationale": "changed"}
    ok(target.patch(one, assessment=change, update_mask="feedback,rationale"))
    changed = ok(target.get(one))["assessment"]
    assert (changed["feedback"]["value"], changed["rationale"]) == (0.5, "changed")
    assert [a["assessment_id"] for a in read(target, trace_id)["assessments"]] == [
        made["assessment_id"]
    ]
    ok(target.delete(one))
    missing(target.get(one))
    invalid(target.post(path, assessment={"assessment_name": "x", **stamps}))
    missing(target.post(f"{TRACES}/tr-{new_id()}/assessments", assessment=feedback))
