"""Filters that are within the grammar's limits, and hard: they are answered, and soon."""

from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import StartRun
from ml_workspace_lab.experiments.search import limits, tables
from ml_workspace_lab.experiments.search.columns import Columns
from ml_workspace_lab.experiments.search.conditions import Scope, condition
from ml_workspace_lab.experiments.search.model import CountRuns, SearchRuns
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.runs import RUNS
from ml_workspace_lab.experiments.search.sql import Bindings, Dialect, Postgresql, Sqlite
from ml_workspace_lab.experiments.search.tables import Tables
from ml_workspace_lab.storage.database import Queries, TooLong

EXACT = 2**53 + 1
LIMIT = 0.1
ROWS = 3_000_000
SLOW = (  # by far slower than the limit
    f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {ROWS})"
    " SELECT count(*) AS count FROM n"
)


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


def test_large_whole_numbers_are_compared_to_the_digit(ws: Workspace) -> None:
    beyond = [sign * (2**53 + i) for sign in (1, -1) for i in (-1, 0, 1, 2)]
    whole = [*beyond, 10**16 - 1, 10**16, 10**16 + 1, 1 - 10**16, 2**63 - 1, 2**63, 10**40, 7]
    real = ["9007199254740992.0", "9.007199254740992e15", "-1e16", "0.5"]
    texts = [*map(str, whole), "+009007199254740993", *real, "text"]
    for text in texts:
        ws.connection.runs.start("e", StartRun(kind="external", params={"n": text}))
    whole.append(2**53 + 1)
    doubles = list(map(float, real))

    for bound in (*beyond, 10**16, -(10**16), 2**63 - 1, -(2**63)):
        # A text that is not whole is the double that it reads as.
        differences = [one - bound for one in whole] + [one - float(bound) for one in doubles]
        for operator, size in (
            ("<", sum(d < 0 for d in differences)),
            ("<=", sum(d <= 0 for d in differences)),
            (">", sum(d > 0 for d in differences)),
            (">=", sum(d >= 0 for d in differences)),
            ("=", sum(d == 0 for d in differences)),
            ("BETWEEN -1e50 AND", sum(d <= 0 for d in differences)),
        ):
            assert count(ws, f"params.n {operator} {bound}") == size
        assert count(ws, f"params.n BETWEEN {bound} AND 1e50") == sum(d >= 0 for d in differences)


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
    monkeypatch.setattr(limits, "SECONDS", 0.0)
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


def test_what_was_found_is_read_in_its_own_time(
    few: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is for finding: here nothing is searched for, and reading takes longer."""
    monkeypatch.setattr(tables, "every", lambda *_: "1")
    of_runs = tables.columns.of_runs

    def slowly(queries: Queries, ids: list[int]) -> Columns:
        row = queries.one(SLOW)
        assert row is not None
        assert row["count"] == ROWS
        return of_runs(queries, ids)

    monkeypatch.setattr(tables.columns, "of_runs", slowly)
    assert isinstance(few.connection, LocalConnection)
    database = few.connection.storage.database
    unused: Any = None
    with database.read(LIMIT) as reading:
        assert len(Tables(tmp_path / "kept").table(unused, reading, None)) == 1
    with pytest.raises(TooLong), database.read(LIMIT) as reading:
        reading.one(SLOW)


def test_many_conditions_along_an_order(ws: Workspace) -> None:
    """All runs match, so that they are walked along the order."""
    params: dict[str, Scalar] = {f"p{number}": "a" for number in range(100)}
    uids = [
        ws.connection.runs.start("e", StartRun(kind="external", params=params)).run_id
        for _ in range(3)
    ]
    for uid, loss in zip(uids, (0.1, 0.3, 0.2), strict=True):
        ws.run(uid).log_series("loss", [loss])
    for many in (1, 2, 10, 100):
        asked = " AND ".join(f"params.{name} = 'a'" for name in list(params)[:many])
        found = ws.search_runs(asked, order_by=["metrics.loss DESC"], as_="runs")
        assert [run.id for run in found] == [uids[1], uids[2], uids[0]]
