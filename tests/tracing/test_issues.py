"""Issues: written down with their experiment, found and changed; traces say that they have them."""

from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.model import CreateExperiment, StartRun
from ml_workspace_lab.experiments.search import bounded
from ml_workspace_lab.experiments.trash import Purge
from ml_workspace_lab.tracing.issue import CreateIssue, Issue, SearchIssues, UpdateIssue
from ml_workspace_lab.tracing.model import CreateAssessment, StartTrace


def create(ws: Workspace, name: str = "slow", experiment: str = "chat", **fields: Any) -> Issue:
    ws.connection.experiments.create(CreateExperiment(experiment))
    body = CreateIssue(**{"name": name, "description": f"It is {name}.", **fields})
    made: Issue = ws.connection.issues.create(experiment, body)
    return made


def found(ws: Workspace, text: str = "", limit: int = 2, **fields: Any) -> list[str]:
    """The names of all that are found, page by page."""
    names: list[str] = []
    after = None
    while True:
        asked = SearchIssues(**{"filter": text, "limit": limit, "after": after, **fields})
        page = ws.connection.issues.search(asked)
        assert len(page.items) <= limit
        names += [one.name for one in page.items]
        after = page.next
        if after is None:
            return names


def has(ws: Workspace, trace_id: str, issue: Issue, times: int = 1) -> None:
    """Say that a trace has an issue."""
    ws.connection.traces.start("chat", StartTrace(trace_id=trace_id, created=1000))
    for _ in range(times):
        said = CreateAssessment("issue", issue.issue_id, {"value": {"issue_name": issue.name}})
        ws.connection.assessments.create(trace_id, said)


def test_an_issue_is_kept_whole_and_changed(ws: Workspace) -> None:
    ws.connection.experiments.create(CreateExperiment("chat"))
    run = ws.connection.runs.start("chat", StartRun()).run_id
    made = create(
        ws, "ü\n'x", severity="high", root_causes=["a", "ü"], categories=["c"], source_run=run,
        created_by="me",
    )  # fmt: skip
    assert made == ws.connection.issues.get(made.issue_id)
    assert (made.status, made.severity, made.source_run) == ("pending", "high", run)
    assert (made.root_causes, made.categories, made.created_by) == (["a", "ü"], ["c"], "me")
    assert (made.experiment, made.traces, made.created) == ("chat", 0, made.updated)
    change = UpdateIssue(status="resolved", description="Gone.")
    changed = ws.connection.issues.update(made.issue_id, change)
    assert (changed.status, changed.description) == ("resolved", "Gone.")
    assert (changed.name, changed.severity) == (made.name, "high")
    assert changed.updated >= made.updated
    for wrong in ({"source_run": "0" * 32}, {"experiment": "none"}):
        with pytest.raises(NotFound):
            body = CreateIssue("x", "y", source_run=wrong.get("source_run"))
            ws.connection.issues.create(wrong.get("experiment", "chat"), body)
    with pytest.raises(NotFound, match="iss-"):
        ws.connection.issues.update("iss-" + "0" * 32, change)


def test_the_gravest_are_listed_first_page_by_page(ws: Workspace) -> None:
    low = create(ws, "low", severity="low")
    create(ws, "unknown")
    create(ws, "high", severity="high", status="resolved")
    create(ws, "none", severity="not_an_issue")
    late = create(ws, "later", severity="low")
    create(ws, "other", "w", severity="medium")
    assert found(ws) == ["high", "other", "later", "low", "none", "unknown"]
    assert found(ws, experiments=["w"]) == ["other"]
    assert found(ws, experiments=["nowhere"]) == found(ws, experiments=[]) == []
    has(ws, "tr-1", low, times=2)
    has(ws, "tr-2", low)
    has(ws, "tr-3", late)
    counted = ["severity DESC", "traces DESC"]
    assert found(ws, order_by=counted) == ["high", "other", "low", "later", "none", "unknown"]
    assert [ws.connection.issues.get(one.issue_id).traces for one in (low, late)] == [2, 1]
    assert found(ws, order_by=["name"], limit=4) == sorted(found(ws))
    assert found(ws, "traces > 0") == ["later", "low"]
    assert found(ws, "status = 'resolved' OR severity IS NULL") == ["high", "unknown"]
    assert found(ws, "status != 'resolved' AND name LIKE '%n%'") == ["none", "unknown"]
    for wrong in ({"text": "bogus = 1"}, {"order_by": ["status"]}, {"after": "x"}):
        with pytest.raises(InvalidInput):
            found(ws, **wrong)


def test_pages_are_bounded_by_what_is_said(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "PAGE_SIZE", 1000)
    for number in range(5):
        create(ws, str(number), description="x" * 300, root_causes=["y" * 300])
    page = ws.connection.issues.search(SearchIssues())
    assert [one.name for one in page.items] == ["4"]
    assert found(ws, limit=1000) == ["4", "3", "2", "1", "0"]


def test_issues_go_with_their_experiment(ws: Workspace) -> None:
    made = create(ws)
    has(ws, "tr-1", made)
    create(ws, "other", "w")
    ws.connection.experiments.delete("chat")
    assert found(ws) == ["other"]
    assert found(ws, experiments=["chat"]) == ["slow"]
    with pytest.raises(Conflict, match="trash"):
        ws.connection.issues.create("chat", CreateIssue("x", "y"))
    ws.connection.experiments.restore("chat")
    assert sorted(found(ws)) == ["other", "slow"]
    ws.connection.experiments.delete("chat")
    ws.connection.trash.purge(Purge(experiments=["chat"]))
    with pytest.raises(NotFound):
        ws.connection.issues.get(made.issue_id)
    assert found(ws) == ["other"]
