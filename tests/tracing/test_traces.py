"""Traces: told of span by span or as a whole, found, described and deleted."""

import json
from io import BytesIO
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.model import CreateExperiment, StartRun
from ml_workspace_lab.tracing.model import (
    AddSpans,
    CreateAssessment,
    DeleteTraces,
    SearchTraces,
    Span,
    StartTrace,
    TraceInfo,
    UpdateAssessment,
    UpdateTrace,
)

MS = 1_000_000


def start(ws: Workspace, trace_id: str, experiment: str = "chat", **fields: Any) -> TraceInfo:
    body = StartTrace(**{"trace_id": trace_id, "created": 1000, "state": "OK", **fields})
    trace: TraceInfo = ws.connection.traces.start(experiment, body)
    return trace


def span(trace_id: str, number: int, parent: int | None = None, **fields: Any) -> Span:
    values = {
        "trace_id": trace_id,
        "span_id": f"{number:016x}",
        "parent_id": None if parent is None else f"{parent:016x}",
        "name": f"step {number}",
        "started": (1000 + number) * MS,
        "ended": (1010 + number) * MS,
        "body": f'{{"n":{number}}}',
        **fields,
    }
    return Span(**values)


def found(ws: Workspace, text: str = "", **fields: Any) -> list[str]:
    asked = SearchTraces(**{"experiments": ["chat"], "filter": text, **fields})
    return [one.trace_id for one in ws.connection.traces.search(asked).items]


def test_a_trace_is_kept_whole(ws: Workspace) -> None:
    text = "ü\n" * 5000
    made = start(
        ws, "tr-1", duration_ms=12, client_request_id="mine", request_preview=text,
        tags={"k": "v"}, metadata={"m": "w"}, state="ERROR",
    )  # fmt: skip
    assert made == ws.connection.traces.get("tr-1")
    assert (made.experiment, made.created, made.duration_ms) == ("chat", 1000, 12)
    assert (made.state, made.client_request_id, made.request_preview) == ("ERROR", "mine", text)
    assert (made.tags, made.metadata) == ({"k": "v"}, {"m": "w"})
    again = start(ws, "tr-1", tags={"l": "x"}, created=2000)
    assert (again.tags, again.created, again.duration_ms) == ({"k": "v", "l": "x"}, 2000, 12)


def test_spans_alone_make_a_trace_that_ends_with_its_root(ws: Workspace) -> None:
    ws.connection.traces.add_spans("chat", AddSpans([span("tr-2", 2, parent=1)]))
    going = ws.connection.traces.get("tr-2")
    assert (going.state, going.duration_ms, going.created) == ("IN_PROGRESS", None, 1002)
    root = span("tr-2", 1, status="ERROR", request_preview="in", response_preview="out")
    ws.connection.traces.add_spans("chat", AddSpans([root, span("tr-2", 2, parent=1, name="n")]))
    ended = ws.connection.traces.get("tr-2")
    assert (ended.state, ended.duration_ms, ended.created) == ("ERROR", 10, 1001)
    assert (ended.request_preview, ended.response_preview) == ("in", "out")
    assert ended.tags["mlflow.traceName"] == "step 1"
    assert ws.connection.traces.spans("tr-2").items == ['{"n":1}', '{"n":2}']


@pytest.mark.parametrize("first", ["spans", "trace"])
def test_what_a_client_says_of_a_trace_counts_whatever_comes_first(
    ws: Workspace, first: str
) -> None:
    spans = AddSpans([span("tr-3", 1)])
    if first == "spans":
        ws.connection.traces.add_spans("chat", spans)
    start(ws, "tr-3", created=5, duration_ms=7, state="ERROR")
    if first == "trace":
        ws.connection.traces.add_spans("chat", spans)
    trace = ws.connection.traces.get("tr-3")
    assert (trace.created, trace.duration_ms, trace.state) == (5, 7, "ERROR")


def test_a_trace_is_linked_to_the_runs_that_it_came_from(ws: Workspace) -> None:
    runs = [ws.connection.runs.start("chat", StartRun()).run_id for _ in range(2)]
    start(ws, "tr-1", metadata={"mlflow.sourceRun": runs[0]})
    start(ws, "tr-2")
    for _ in range(2):
        ws.connection.traces.update("tr-1", UpdateTrace(link_runs=[runs[1]]))
    assert ws.connection.traces.get("tr-1").runs == sorted(runs)
    assert found(ws, f"run_id = '{runs[0]}'") == found(ws, f"run_id = '{runs[1]}'") == ["tr-1"]
    with pytest.raises(NotFound):
        ws.connection.traces.update("tr-1", UpdateTrace(link_runs=["0" * 32]))


@pytest.mark.parametrize("first", ["trace", "spans"])
def test_a_trace_that_is_linked_before_it_comes_is_seen_when_it_has_come(
    ws: Workspace, first: str
) -> None:
    run = ws.connection.runs.start("elsewhere", StartRun()).run_id
    ws.connection.traces.update("tr-1", UpdateTrace(link_runs=[run]))
    with pytest.raises(NotFound):
        ws.connection.traces.get("tr-1")
    assert found(ws, "", experiments=["elsewhere"]) == []
    if first == "trace":
        start(ws, "tr-1")
    else:
        ws.connection.traces.add_spans("chat", AddSpans([span("tr-1", 1)]))
    trace = ws.connection.traces.get("tr-1")
    assert (trace.runs, trace.experiment) == ([run], "chat")
    assert found(ws, f"run_id = '{run}'") == ["tr-1"]


def test_tags_come_and_go(ws: Workspace) -> None:
    start(ws, "tr-1", tags={"keep": "1", "drop": "2"})
    change = UpdateTrace(tags={"new": "3"}, remove_tags=["drop", "none"])
    assert ws.connection.traces.update("tr-1", change).tags == {"keep": "1", "new": "3"}


@pytest.mark.parametrize("bad", ["", "a/b", "../x", "a b", "x" * 256, "tr-1\n"])
def test_what_is_no_id_is_refused(ws: Workspace, bad: str) -> None:
    with pytest.raises(InvalidInput):
        start(ws, bad)
    with pytest.raises((InvalidInput, NotFound)):
        ws.connection.traces.get(bad)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", ["c", "b", "a"]),
        ("status = 'OK'", ["c", "a"]),
        ("trace.status != 'OK'", ["b"]),
        ("name = 'first'", ["a"]),
        ("name IS NULL", ["c"]),
        ("tags.lang = 'en'", ["b", "a"]),
        ("metadata.user LIKE 'u%' AND tag.lang = 'en'", ["a"]),
        ("timestamp_ms >= 2000", ["c", "b"]),
        ("execution_time < 50", ["a"]),
        ("end_time_ms > 1000", ["b", "a"]),
        ("span.name = 'step 1'", ["b", "a"]),
        ("span.type = 'LLM'", ["b"]),
        ("span.content LIKE '%needle%'", ["b"]),
        ("feedback.good = 'true'", ["a"]),
        ("feedback.score = '5'", ["b"]),
        ("expectation.answer = 'yes'", ["c"]),
        ("feedback.good IS NULL", ["c", "b"]),
        ("NOT (status = 'OK' OR name = 'x')", ["b"]),
        ("request_id IN ('a', 'c')", ["c", "a"]),
        ("tags.lang = '' OR 1 = 1", None),
        ("tags.lang RLIKE '^e.$'", ["b", "a"]),
        ("name RLIKE '(first|third)$'", ["a"]),
        ("feedback.score > 4.5 AND feedback.score < 6", ["b"]),
        ("feedback.good > 0", []),
        ("issue.id = 'slow'", ["c"]),
        ("prompt = 'greet/2'", ["a"]),
        ("prompt = 'greet/1'", []),
        ("tags.lang RLIKE '('", None),
        ("prompt LIKE 'greet/2'", None),
        ("span.attributes. = '1'", None),
        ("span.colour = '1'", None),
        ("nothing = 'x'", None),
    ],
)
def test_traces_are_found_by_what_is_said_of_them(
    ws: Workspace, text: str, ids: list[str] | None
) -> None:
    tags = {"lang": "en"}
    name = "mlflow.traceName"
    prompts = '[{"name": "greet", "version": "2"}]'
    said = {**tags, name: "first", "mlflow.linkedPrompts": prompts}
    start(ws, "a", duration_ms=10, tags=said, metadata={"user": "u1"})
    start(ws, "b", created=2000, duration_ms=90, state="ERROR", tags={**tags, name: "second"})
    start(ws, "c", created=3000)
    start(ws, "d", experiment="other")
    steps = [span("a", 1), span("b", 1, type="LLM", body='{"name":"a needle"}')]
    ws.connection.traces.add_spans("chat", AddSpans(steps))
    for trace_id, kind, key, value in (
        ("a", "feedback", "good", True),
        ("b", "feedback", "score", 5.0),
        ("c", "expectation", "answer", "yes"),
        ("c", "issue", "slow", True),
    ):
        one = CreateAssessment(kind, key, {"value": value})
        ws.connection.assessments.create(trace_id, one)
    if ids is None:
        with pytest.raises(InvalidInput) as refusal:
            found(ws, text)
        assert refusal.value.field == "filter"
    else:
        assert found(ws, text) == ids


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("span.attributes.model = 'gpt-4.1'", True),
        ("span.attributes.model != 'gpt-4.1'", True),
        ("span.attributes.model IN ('gpt-4.1', 'x')", True),
        ("span.attributes.model ILIKE 'GPT%'", True),
        ("span.attributes.model RLIKE '^gpt-[0-9]'", True),
        ("span.attributes.model RLIKE 'claude'", False),
        ("span.attributes.`odd key` = 'odd'", True),
        ("span.attributes.tokens = '7'", True),
        ("span.attributes.paid = 'true'", True),
        ("span.attributes.nested LIKE '%inner%0.25%'", True),
        ("span.attributes.none = 'x'", False),
        ("span.attributes.none IS NULL", True),
        ("span.attributes.model IS NULL", False),
        ("span.attributes.model IS NOT NULL", True),
        ("span.name = 'ask' AND span.attributes.model = 'gpt-4.1'", True),
        ("span.name = 'other' AND span.attributes.model = 'gpt-4.1'", False),
        ("span.name = 'ask' AND (span.name = 'other' OR span.name = 'none')", True),
        ("span.name = 'ask' AND NOT span.name = 'none' AND status = 'OK'", True),
        ("span.name = 'ask' AND trace.text LIKE '%gpt%'", True),
        ("span.name = 'other' AND trace.text LIKE '%gpt%'", False),
        ("span.name != 'other' AND span.name != 'ask'", False),
    ],
)
def test_traces_are_found_by_what_one_of_their_spans_is_like(
    ws: Workspace, text: str, is_found: bool
) -> None:
    kept = [
        attribute("model", string_value="gpt-4.1"),
        attribute("odd key", string_value="odd"),
        attribute("tokens", int_value="7"),
        attribute("paid", bool_value=True),
        attribute("nested", kvlist_value={"values": [attribute("inner", double_value=0.25)]}),
        attribute("empty"),
    ]
    others = [attribute("model", string_value="none"), {"key": "bare"}]
    spans = [
        span("a", 1, name="ask", body=json.dumps({"name": "ask", "attributes": kept})),
        span("a", 2, parent=1, name="other", body=json.dumps({"attributes": others})),
        span("a", 3, parent=1, name="ask", body="{}"),
    ]
    ws.connection.traces.add_spans("chat", AddSpans(spans))
    assert found(ws, text) == (["a"] if is_found else [])


@pytest.mark.parametrize(
    ("pattern", "is_found"),
    [
        ("%a step%", True),
        ("%grüße%", True),
        ("%customer%", True),
        ("%customer%grüße%", True),
        ("%inner%", True),
        ("%0.25%", True),
        ("%true%", True),
        ("%it broke%", True),
        ("%said%aloud%", True),
        ("%behind a NUL%", True),
        ("%value%", False),
        ("%attributes%", False),
        ("%STATUS_CODE%", False),
        ("%mlflow.%", False),
        ("%1700000000%", False),
    ],
)
def test_the_text_of_a_trace_is_what_people_see(
    ws: Workspace, pattern: str, is_found: bool
) -> None:
    nested = {"kvlist_value": {"values": [{"key": "inner", "value": {"double_value": 0.25}}]}}
    body = {
        "name": "a step",
        "start_time_unix_nano": "1700000000000000000",
        "attributes": [
            {"key": "customer", "value": {"string_value": "grüße"}},
            {"key": "mlflow.spanInputs", "value": nested},
            {"key": "paid", "value": {"bool_value": True}},
            {"key": "odd", "value": {"string_value": "\0\0behind a NUL, C:\\u0000"}},
        ],
        "events": [
            {"name": "said", "time_unix_nano": "1700000000000000001",
             "attributes": [{"key": "how", "value": {"string_value": "aloud"}}]},
        ],
        "status": {"code": "STATUS_CODE_ERROR", "message": "it broke"},
    }  # fmt: skip
    ws.connection.traces.add_spans("chat", AddSpans([span("a", 1, body=json.dumps(body))]))
    for key in ("trace.text", "span.content"):
        assert found(ws, f"{key} LIKE '{pattern}'") == (["a"] if is_found else [])


@pytest.mark.parametrize(
    "order", [[], ["timestamp ASC"], ["execution_time DESC"], ["name", "status DESC"]]
)
def test_pages_go_through_all_once_while_traces_are_added(ws: Workspace, order: list[str]) -> None:
    for number in range(7):
        fields = {"duration_ms": number % 3} if number % 2 else {"tags": {"mlflow.traceName": "n"}}
        start(ws, f"t{number}", created=1000 + number // 2, **fields)
    whole = found(ws, order_by=order)
    seen: list[str] = []
    after = None
    while True:
        asked = SearchTraces(["chat"], order_by=order, limit=2, after=after)
        page = ws.connection.traces.search(asked)
        seen += [one.trace_id for one in page.items]
        start(ws, f"new{len(seen)}", created=9999, experiment="other")
        if (after := page.next) is None:
            break
    assert seen == whole
    assert sorted(seen) == [f"t{number}" for number in range(7)]


def test_traces_are_deleted_by_name_and_by_age(ws: Workspace) -> None:
    for number in range(5):
        start(ws, f"t{number}", created=number)
    start(ws, "elsewhere", experiment="other")
    delete = ws.connection.traces.delete
    assert delete("chat", DeleteTraces(["t4", "t4", "elsewhere", "none"])).count == 1
    assert delete("chat", DeleteTraces(until=2, limit=2)).count == 2
    assert found(ws) == ["t3", "t2"]
    for body in (DeleteTraces(), DeleteTraces(["t2"], until=3)):
        with pytest.raises(InvalidInput):
            delete("chat", body)


def test_files_of_a_trace_come_back_as_they_were(ws: Workspace) -> None:
    start(ws, "tr-1")
    for content in (b"old", b"new"):
        ws.connection.traces.put_file("tr-1", "traces.json", BytesIO(content))
    assert ws.connection.traces.file("tr-1", "traces.json").read() == b"new"
    assert [file.path for file in ws.connection.traces.files("tr-1").items] == ["traces.json"]
    ws.connection.traces.delete_file("tr-1", "traces.json")
    with pytest.raises(NotFound):
        ws.connection.traces.file("tr-1", "traces.json")
    with pytest.raises(InvalidInput):
        ws.connection.traces.put_file("tr-1", "../x", BytesIO(b""))


def test_an_assessment_is_changed_overridden_and_taken_away(ws: Workspace) -> None:
    start(ws, "tr-1")
    body = CreateAssessment("feedback", "good", {"value": True}, {"source_id": "me"}, "since")
    first = ws.connection.assessments.create("tr-1", body)
    change = UpdateAssessment(content={"value": [1, "a"]}, rationale=None, metadata={"k": "v"})
    changed = ws.connection.assessments.update("tr-1", first.assessment_id, change)
    assert (changed.content, changed.rationale, changed.metadata) == (
        {"value": [1, "a"]}, None, {"k": "v"},
    )  # fmt: skip
    assert (changed.name, changed.source) == ("good", {"source_id": "me"})
    over = CreateAssessment("feedback", "good", {"value": 1}, overrides=first.assessment_id)
    second = ws.connection.assessments.create("tr-1", over)
    assert not ws.connection.assessments.get("tr-1", first.assessment_id).valid
    ws.connection.assessments.delete("tr-1", second.assessment_id)
    assert ws.connection.assessments.get("tr-1", first.assessment_id).valid
    start(ws, "tr-2")
    with pytest.raises(NotFound):
        ws.connection.assessments.get("tr-2", first.assessment_id)
    with pytest.raises(NotFound):
        ws.connection.assessments.create("tr-2", over)


def test_a_trace_in_an_experiment_in_the_trash_is_refused(ws: Workspace) -> None:
    ws.connection.experiments.create(CreateExperiment("chat"))
    ws.connection.experiments.delete("chat")
    for call in (
        lambda: start(ws, "tr-1"),
        lambda: ws.connection.traces.add_spans("chat", AddSpans([span("tr-1", 1)])),
    ):
        with pytest.raises(Exception, match="trash"):
            call()
