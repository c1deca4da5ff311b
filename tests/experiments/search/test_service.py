"""Searches as users make them: pages, the trash, experiments, running runs, comparisons."""

import base64
import json
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.model import EndRun, StartRun
from ml_workspace_lab.experiments.search.model import CountRuns, RunPage, SearchRuns


def add(workspace: Workspace, *, created: int, experiment: str = "e", **tags: str) -> str:
    body = StartRun(kind="external", created=created, tags=tags)
    return str(workspace.connection.runs.start(experiment, body).run_id)


def page(workspace: Workspace, **asked: object) -> RunPage:
    found: RunPage = workspace.connection.search.search(SearchRuns(**asked))  # type: ignore[arg-type]
    return found


def ids(found: RunPage) -> list[str]:
    return [run.run_id for run in found.items]


def test_runs_that_are_added_meanwhile_shift_no_page(ws: Workspace) -> None:
    old = [add(ws, created=1000 + i // 3) for i in range(10)]
    for order in ([], ["start_time ASC"], ["metrics.m DESC", "tags.t"]):
        found = []
        token = None
        for turn in range(4):
            part = page(ws, order_by=order, max_results=3, page_token=token)
            found += [run for run in ids(part) if run in old]
            token = part.next
            add(ws, created=5000 + turn)
        while token is not None:
            part = page(ws, order_by=order, max_results=3, page_token=token)
            found += [run for run in ids(part) if run in old]
            token = part.next
        assert sorted(found) == sorted(old)


def test_a_page_may_end_where_a_segment_does(ws: Workspace) -> None:
    runs = [add(ws, created=i, **({"t": "1"} if i < 3 else {})) for i in range(6)]
    first = page(ws, order_by=["tags.t"], max_results=3)
    assert ids(first) == runs[2::-1]
    second = page(ws, order_by=["tags.t"], max_results=3, page_token=first.next)
    assert ids(second) == runs[:2:-1]
    assert second.next is None


@pytest.fixture
def two_pages(ws: Workspace) -> tuple[Workspace, str]:
    for i in range(3):
        add(ws, created=i, t=str(i))
    token = page(ws, max_results=1).next
    assert token is not None
    return ws, token


def _with(token: str, **changed: object) -> str:
    query, segment, values = json.loads(base64.urlsafe_b64decode(token + "=="))
    parts = {"query": query, "segment": segment, "values": values} | changed
    raw = json.dumps([parts["query"], parts["segment"], parts["values"]])
    return base64.urlsafe_b64encode(raw.encode()).decode()


def test_a_token_of_another_query_is_refused(two_pages: tuple[Workspace, str]) -> None:
    workspace, token = two_pages
    assert page(workspace, page_token=token, max_results=2).next is None  # the size may change
    for other in (
        {"filter": "tags.t = '1'"},
        {"order_by": ["tags.t"]},
        {"view": "all"},
        {"experiments": ["e"]},
    ):
        with pytest.raises(InvalidInput, match="another query"):
            page(workspace, page_token=token, **other)


@pytest.mark.parametrize(
    "changed",
    [
        {"segment": 1}, {"segment": -1}, {"segment": 2}, {"values": []}, {"values": [1]},
        {"values": [1, 2, 3]}, {"values": ["a", 1]}, {"values": [1.5, 1]}, {"values": [None, 1]},
        {"values": [2**70, 1]}, {"values": {"a": 1}}, {"query": "0" * 16},
    ],
)  # fmt: skip
def test_a_token_that_was_changed_is_refused(
    two_pages: tuple[Workspace, str], changed: dict[str, object]
) -> None:
    workspace, token = two_pages
    with pytest.raises(InvalidInput) as error:
        page(workspace, page_token=_with(token, **changed))
    assert error.value.field == "page_token"


@pytest.mark.parametrize("token", ["", "a", "!!!!", "ü", "bnVsbA", "W10", "W" * 10_000, "\ud7ff"])
def test_what_is_no_token_is_refused(ws: Workspace, token: str) -> None:
    with pytest.raises(InvalidInput):
        page(ws, page_token=token)


def test_a_token_holds_numbers_that_json_does_not(ws: Workspace) -> None:
    for value in (float("inf"), float("-inf"), 1.0):
        with ws.experiment("e").start_logging() as run:
            run.log("m", value)
    found = []
    token = None
    for _ in range(3):
        part = page(ws, order_by=["metrics.m"], max_results=1, page_token=token)
        found += [part.items[0].metrics["m"].last]
        token = part.next
    assert found == ["-Infinity", 1.0, "Infinity"]


def test_the_trash_is_searched_only_when_asked_for(ws: Workspace) -> None:
    kept, thrown = add(ws, created=1, t="1"), add(ws, created=2, t="1")
    other = add(ws, created=3, experiment="gone", t="1")
    ws.connection.runs.end(thrown, EndRun())
    ws.connection.runs.end(other, EndRun())
    ws.connection.runs.delete(thrown)
    ws.connection.experiments.delete("gone")
    for filter_ in ("", "tags.t = '1'", "run_name LIKE '%'"):
        expected = {"active": [kept], "deleted": [other, thrown], "all": [other, thrown, kept]}
        for view, runs in expected.items():
            assert ids(page(ws, filter=filter_, view=view)) == runs
            assert ws.count_runs(filter_, view=view) == len(runs)  # type: ignore[arg-type]
    assert ids(page(ws, experiments=["gone"])) == []
    assert ids(page(ws, experiments=["gone"], view="deleted")) == [other]
    assert ids(page(ws, experiments=["e"], view="all")) == [thrown, kept]
    assert ws.count_runs(experiments="e") == 1


def test_a_search_of_no_experiments_finds_nothing(either: Workspace) -> None:
    name = f"e-{uuid4().hex}"
    either.connection.runs.start(name, StartRun(kind="external"))
    assert either.count_runs("", []) == either.count_runs("metrics.m > 1", []) == 0
    assert either.count_runs("") == either.count_runs("", None) > 0
    assert list(either.search_runs(experiments=[], as_="runs")) == []
    assert len(either.search_runs(experiments=())) == 0
    assert len(either.search_runs(experiments=[name])) == 1
    assert len(either.search_runs()) == either.count_runs()
    for view in ("deleted", "all"):
        assert either.count_runs("", [], view=view) == 0
        assert ids(page(either, experiments=[], view=view)) == []


def test_a_search_is_of_the_experiments_that_are_named(ws: Workspace) -> None:
    runs = {name: add(ws, created=i, experiment=name) for i, name in enumerate("abc")}
    assert ids(page(ws, experiments=["a", "c", "a"])) == [runs["c"], runs["a"]]
    assert ws.count_runs("", ["a", "c"]) == 2
    assert ws.count_runs("number = 1", "b") == 1
    with pytest.raises(NotFound) as error:
        page(ws, experiments=["a", "none"])
    assert error.value.field == "experiments"


def test_what_a_running_run_has_logged_is_found(either: Workspace) -> None:
    name = uuid4().hex
    with either.experiment(name).start_logging() as run:
        run.log("now", 3.0)
        run.flush()
        assert either.count_runs("metrics.now = 3", name) == 1
        run.log("now", 4.0)
        run.flush()
        found = either.search_runs("metrics.now > 3", name)
        assert found["metrics.now"].tolist() == [4.0]
        assert found["run_id"].tolist() == [run.id]


def test_a_number_that_is_too_large_for_a_database_is_compared(ws: Workspace) -> None:
    add(ws, created=1, t="5")
    assert ws.count_runs("tags.t < 99999999999999999999999999 and created < 1e300") == 1
    assert ws.count_runs("number < 9223372036854775807 and tags.t > -9223372036854775808") == 1
    assert ws.count_runs("metrics.m IN (1, 2) or created > inf") == 0


def test_a_long_list_is_taken_whole(ws: Workspace) -> None:
    run = add(ws, created=1)
    some = ", ".join(f"'{i}'" for i in range(7000))
    assert ids(page(ws, filter=f"run_id IN ({some}, '{run}')")) == [run]


def test_runs_come_as_objects_too(either: Workspace) -> None:
    name = uuid4().hex
    for value in range(3):
        with either.experiment(name).start_logging() as run:
            run.log("m", value)
    found = either.search_runs(experiments=name, order_by="metrics.m", max_results=2, as_="runs")
    assert [run.get_metrics()["m"] for run in found] == [0, 1]
    assert "m" in found._repr_html_()
    with pytest.raises(InvalidInput):
        either.search_runs(as_="excel")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        either.search_runs(max_results=0)


def test_runs_are_compared(either: Workspace) -> None:
    runs = []
    for lr, name in ((0.1, "<b>"), (0.2, "b")):
        with either.experiment("compared").start_logging(display_name=name) as run:
            run.log_params({"lr": lr, "model": "<script>alert(1)</script>", "one": 1})
            run.log("loss", lr)
            runs.append(run.id)
        if lr == 0.1:
            run.tag("only", "here")
        run.add_properties({"of": name})
    found = either.compare(runs)
    differing = {(row.kind, row.name): row.values for row in found.differing.rows}
    assert differing["param", "lr"] == [0.1, 0.2]
    assert differing["metric", "loss"] == [0.1, 0.2]
    assert differing["tag", "only"] == ["here", None]
    assert differing["property", "of"] == ["<b>", "b"]
    assert ("param", "model") not in differing
    assert ("param", "one") in {(row.kind, row.name) for row in found.rows}
    assert list(found.to_pandas().loc["param", "lr"]) == [0.1, 0.2]
    html = found._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    HTMLParser().feed(html)
    with pytest.raises(NotFound):
        either.compare(["0" * 32])
    with pytest.raises(InvalidInput):
        either.compare([])


def test_a_count_leaves_no_audit_row(ws: Workspace) -> None:
    rows = "SELECT count(*) AS rows FROM audit"
    database = ws.connection.storage.database  # type: ignore[attr-defined]
    before = database.one(rows)["rows"]
    ws.connection.search.count(CountRuns("metrics.m > 1"))
    ws.search_runs()
    assert database.one(rows)["rows"] == before


def test_an_empty_workspace_has_an_empty_table(ws: Workspace) -> None:
    frame = ws.search_runs()
    assert len(frame) == 0
    assert {"run_id", "experiment", "state", "created"} <= set(frame.columns)
    assert ws.count_runs() == 0
    assert not (Path(ws.location) / "cache").exists()


def test_large_whole_numbers_are_told_apart_to_the_last_digit(ws: Workspace) -> None:
    seed = 2**63 - 1
    runs = {
        text: add(ws, created=1, experiment="seeds", seed=text)
        for text in (str(seed), str(-seed), f"+0{seed - 1}", "9.223372036854775807e18", "7")
    }

    def found(condition: str) -> set[str]:
        return {one for one, run in runs.items() if run in ids(page(ws, filter=condition))}

    assert found(f"tags.seed = {seed}") == {str(seed), "9.223372036854775807e18"}
    assert found(f"tags.seed = {seed - 1}") == {f"+0{seed - 1}", "9.223372036854775807e18"}
    assert found(f"tags.seed = {-seed}") == {str(-seed)}
    assert found(f"tags.seed = {-seed + 1}") == set()
    assert found(f"tags.seed IN (7, {-seed})") == {"7", str(-seed)}
    assert str(seed) in found(f"tags.seed != {seed - 1}")


def test_a_status_is_taken_in_any_case_and_an_unknown_one_refused(ws: Workspace) -> None:
    run = add(ws, created=1)
    assert ids(page(ws, filter="status = 'running'")) == [run]
    ws.connection.runs.end(run, EndRun("Completed"))
    for word in ("finished", "completed", "COMPLETED", "FINISHED", "Completed"):
        assert ids(page(ws, filter=f"status IN ('{word}', 'failed')")) == [run]
        assert ids(page(ws, filter=f"status != '{word}'")) == []
    for operator in ("= 'finnished'", "!= 'finnished'", "IN ('Failed', 'finnished')"):
        with pytest.raises(InvalidInput, match=r"'finnished'.*Completed, FINISHED") as error:
            page(ws, filter=f"status {operator}")
        assert error.value.field == "filter"
