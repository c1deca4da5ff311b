"""Filters that are within the grammar's limits, and hard: they are answered, and soon."""

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import StartRun
from ml_workspace_lab.experiments.search import service
from ml_workspace_lab.experiments.search.conditions import Scope, condition
from ml_workspace_lab.experiments.search.model import CountRuns, SearchRuns
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.runs import RUNS
from ml_workspace_lab.experiments.search.sql import Bindings, Dialect, Postgresql, Sqlite
from ml_workspace_lab.storage.database import TooLong

EXACT = 2**53 + 1


@pytest.fixture
def few(ws: Workspace) -> Workspace:
    params: dict[str, Scalar] = {
        "n": str(EXACT),
        "x": "0.1",
        "t": "it's",
        "minus": str(-EXACT),
        "real": "1e300",
    }
    ws.connection.runs.start("e", StartRun(kind="external", params=params))
    return ws


def count(workspace: Workspace, asked: str) -> int:
    found = workspace.connection.search.search(SearchRuns(filter=asked)).items
    assert workspace.connection.search.count(CountRuns(filter=asked)).count == len(found)
    return len(found)


def listed(*values: object, size: int = 100) -> str:
    return f"({', '.join(map(str, (*values, *range(size))))})"


def test_a_long_list_says_what_a_short_one_says(few: Workspace) -> None:
    assert count(few, f"params.n IN ({', '.join([str(EXACT)] * 3500)})") == 1
    for name, value, other in (
        ("n", EXACT, EXACT - 1),
        ("minus", -EXACT, EXACT),
        ("minus", -EXACT, -EXACT + 1),
        ("x", "0.1", "0.10000000000000002"),
        ("real", "1e300", "1.0000000000000002e300"),
    ):
        for size in (1, 100):
            assert count(few, f"params.{name} IN {listed(value, size=size)}") == 1
            assert count(few, f"params.{name} IN {listed(other, size=size)}") == 0
            assert count(few, f"params.{name} NOT IN {listed(other, size=size)}") == 1
    texts = ", ".join(f"'{i}'" for i in range(100))
    assert count(few, f"params.t IN ({texts}, 'it''s')") == 1
    assert count(few, f"params.t IN ({texts})") == 0
    assert count(few, f"attributes.number IN {listed('1.5', 2**40)}") == 1


@pytest.mark.parametrize("dialect", [Sqlite(), Postgresql()])
@pytest.mark.parametrize(
    "asked", ["params.x IN {}", f"params.x IN ({EXACT}, {{}}", "metrics.m IN {}"]
)
def test_a_long_list_has_few_marks(dialect: Dialect, asked: str) -> None:
    asked = asked.format(listed(size=10_000)).replace(", (", ", ")
    expression = parse(asked, RUNS)
    assert expression is not None
    scope = Scope(dialect, Bindings(), {("param", "x"): 1, ("metric", "m"): 2})
    condition(expression, scope)
    assert len(scope.bindings.values) < 10


def test_a_search_that_takes_too_long_is_stopped(
    few: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = ", ".join(f"'{i}'" for i in range(5000))
    hard = f"%{'a' * 1900}b%"
    asked = f"tags.x NOT IN ({values}) AND params.t NOT LIKE '{hard}'"
    monkeypatch.setattr(service, "SECONDS", 0.0)
    run = few.connection.search
    few.connection.runs.start(
        "e", StartRun(kind="external", tags={"x": "y"}, params={"t": "a" * 20_000})
    )
    for ask in (
        lambda: run.search(SearchRuns(filter=asked)),
        lambda: run.count(CountRuns(filter=asked)),
    ):
        with pytest.raises(InvalidInput, match="took over") as refused:
            ask()
        assert refused.value.field == "filter"
    monkeypatch.undo()
    assert count(few, asked) == 1


def test_what_was_found_is_read_in_its_own_time(few: Workspace) -> None:
    assert isinstance(few.connection, LocalConnection)
    database = few.connection.storage.database
    slow = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000)"
        " SELECT count(*) AS count FROM n"
    )
    with pytest.raises(TooLong), database.read(0.001) as reading:
        reading.one(slow)
    with database.read(0.001) as reading:
        reading.take_time()
        found = reading.one(slow)
    assert found is not None
    assert found["count"] == 300_000
