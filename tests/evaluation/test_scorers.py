"""Scorers: kept in versions, with their experiment."""

import json

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.evaluation import contents
from ml_workspace_lab.evaluation.scorer import (
    GetScorerSamplings,
    ListScorers,
    RegisterScorer,
    ScorerVersion,
    SetScorerSampling,
)
from ml_workspace_lab.experiments.model import CreateExperiment
from ml_workspace_lab.experiments.search import bounded
from ml_workspace_lab.experiments.trash import Purge


def register(ws: Workspace, experiment: str, name: str = "s", content: str = "{}") -> ScorerVersion:
    ws.connection.experiments.create(CreateExperiment(experiment))
    made: ScorerVersion = ws.connection.scorers.register(experiment, RegisterScorer(name, content))
    return made


def listed(ws: Workspace, *experiments: str, limit: int = 2) -> list[tuple[str, str, int]]:
    """All of them, page by page."""
    found: list[ScorerVersion] = []
    after = None
    while True:
        asked = ListScorers(list(experiments) or None, limit, after)
        page = ws.connection.scorers.list(asked)
        found += page.items
        after = page.next
        if after is None:
            return [(one.experiment, one.name, one.version) for one in found]


def test_the_newest_versions_are_listed_page_by_page(ws: Workspace) -> None:
    for name in ("b", "a", "Z", "ü/1", "b"):
        register(ws, "x", name)
    register(ws, "w", "a")
    wanted = [("x", "Z", 1), ("x", "a", 1), ("x", "b", 2), ("x", "ü/1", 1), ("w", "a", 1)]
    assert listed(ws) == wanted
    assert listed(ws, "w") == wanted[-1:]
    assert listed(ws, "none") == []
    ws.connection.experiments.delete("x")
    assert listed(ws) == wanted[-1:]
    with pytest.raises(Conflict):
        register(ws, "x", "a")
    ws.connection.experiments.restore("x")
    assert listed(ws) == wanted
    page = ws.connection.scorers.list(ListScorers(["x"], 2))
    with pytest.raises(InvalidInput, match="after"):
        ws.connection.scorers.list(ListScorers(["w"], 2, page.next))


def test_versions_are_read_page_by_page_and_bounded_by_their_size(ws: Workspace) -> None:
    content = json.dumps({"x": "y" * 900_000})
    for _ in range(20):
        register(ws, "x", content=content)
    found: list[int] = []
    after = None
    while True:
        page = ws.connection.scorers.versions("x", "s", 1000, after)
        assert sum(len(one.content) for one in page.items) <= bounded.PAGE_SIZE
        found += [one.version for one in page.items]
        after = page.next
        if after is None:
            break
    assert found == [*range(1, 21)]
    assert ws.connection.scorers.get("x", "s").version == 20
    with pytest.raises(InvalidInput):
        register(ws, "x", content=json.dumps({"x": "y" * 1_000_000}))


def test_a_purged_experiment_takes_its_scorers_with_it(ws: Workspace) -> None:
    scorer_id = register(ws, "x").scorer_id
    ws.connection.scorers.set_sampling("x", "s", SetScorerSampling(0.0, "status = 'OK'"))
    asked = GetScorerSamplings([scorer_id])
    (said,) = ws.connection.scorers.samplings(asked).items
    assert (said.share, said.filter, said.experiment) == (0.0, "status = 'OK'", "x")
    ws.connection.experiments.delete("x")
    ws.connection.trash.purge(Purge(experiments=["x"]))
    assert ws.connection.scorers.samplings(asked).items == []
    database = ws.connection.storage.database
    for table in ("scorer", "scorer_version"):
        assert database.one(f"SELECT count(*) AS n FROM {table}")["n"] == 0


def test_a_share_of_traces_is_not_promised(ws: Workspace) -> None:
    register(ws, "x")
    for sampling in (SetScorerSampling(0.5), SetScorerSampling(0.0, "bogus =")):
        with pytest.raises(InvalidInput):
            ws.connection.scorers.set_sampling("x", "s", sampling)
    with pytest.raises(NotFound):
        ws.connection.scorers.set_sampling("x", "none", SetScorerSampling(0.0))


def test_a_scorer_that_is_kept_runs_nobodys_code_and_calls_nobodys_server() -> None:
    for fine in ("{}", '{"call_source": null}', '{"third_party_scorer_data": {"kwargs": null}}',
                 '{"third_party_scorer_data": {"model": "gateway:none", "kwargs": {"k": [1]}}}',
                 '{"api_base": "of no third party"}'):  # fmt: skip
        contents.check(fine)
    for bad in ('{"a": {"call_source": 1}}', "[]", "null", '{"a": 1, "a": 2}', '{"a": NaN}',
                '{"a": [[{"third_party_scorer_data": {"kwargs": {"b": [["api_base", 1]]}}}]]}',
                '{"third_party_scorer_data": {"kwargs": {"b": [[[{"model_list": 1}]]]}}}',
                '{"third_party_scorer_data": {"kwargs": "x"}}', '{"x": "\\ud800"}'):  # fmt: skip
        with pytest.raises(InvalidInput):
            contents.check(bad)
    with pytest.raises(NotFound, match="gateway"):
        contents.check('{"builtin_scorer_pydantic_data": {"model": "gateway:/mine"}}')
