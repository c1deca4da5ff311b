"""What is found is what the grammar's meaning, told again in Python, says."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.search.expression import Term, text
from ml_workspace_lab.experiments.search.model import CountRuns, SearchRuns
from ml_workspace_lab.experiments.search.ordering import OrderTerm
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.runs import RUNS
from tests.experiments.search.filters import AMOUNTS, FUNCTIONS, KEYS, METRICS, WORDS, expressions
from tests.experiments.search.oracle import matches, sort_key
from tests.experiments.search.population import Population

many = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def terms() -> st.SearchStrategy[Term]:
    return st.one_of(
        st.builds(Term, st.just("metric"), st.sampled_from(METRICS), st.sampled_from(FUNCTIONS)),
        st.builds(Term, st.sampled_from(["param", "tag", "property"]), st.sampled_from(KEYS)),
        st.builds(Term, st.just("attribute"), st.sampled_from((*WORDS, *AMOUNTS))),
    )


def orders() -> st.SearchStrategy[list[OrderTerm]]:
    one = st.builds(OrderTerm, terms(), st.booleans())
    return st.lists(one, max_size=3, unique_by=lambda each: each.term)


def order_text(one: OrderTerm) -> str:
    name = one.term.name.replace("`", "``")
    key = f"{one.term.entity}.`{name}`"
    if one.term.function != "last":
        key = f"{one.term.function}({key})"
    return f"{key} {'DESC' if one.descending else 'ASC'}"


@given(expression=expressions())
@many
def test_a_filter_finds_what_it_means(full: Workspace, runs: Population, expression: Any) -> None:
    written = text(expression)
    found = full.connection.search.search(SearchRuns(written))
    expected = {uid for uid, run in runs.items() if matches(expression, run)}
    assert {run.run_id for run in found.items} == expected
    assert full.connection.search.count(CountRuns(written)).count == len(expected)


@given(expression=st.none() | expressions(), order=orders(), size=st.integers(1, 25))
@many
def test_pages_hold_all_runs_once_in_order(
    full: Workspace, runs: Population, expression: Any, order: list[OrderTerm], size: int
) -> None:
    written = "" if expression is None else text(expression)
    rows = {uid: row for row, uid in enumerate(sorted(runs))}
    expected = sorted(
        (uid for uid, run in runs.items() if matches(expression, run)),
        key=lambda uid: sort_key(order, rows[uid], runs[uid]),
    )
    asked = SearchRuns(written, order_by=[order_text(one) for one in order], max_results=size)
    found: list[str] = []
    token = None
    while True:
        page = full.connection.search.search(
            SearchRuns(asked.filter, None, "active", asked.order_by, size, token)
        )
        found += [run.run_id for run in page.items]
        token = page.next
        assert len(page.items) == size or token is None
        if token is None:
            break
    assert found == expected
    frame = full.search_runs(written, order_by=asked.order_by, as_="arrow")
    assert frame["run_id"].to_pylist() == expected


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", sorted({one.name for one in RUNS.fields["attribute"].values()}))
def test_every_attribute_orders(
    full: Workspace, runs: Population, name: str, descending: bool
) -> None:
    order = [OrderTerm(Term("attribute", name), descending)]
    rows = {uid: row for row, uid in enumerate(sorted(runs))}
    found = full.connection.search.search(
        SearchRuns("", order_by=[order_text(order[0])], max_results=len(runs))
    )
    assert [run.run_id for run in found.items] == sorted(
        runs, key=lambda uid: sort_key(order, rows[uid], runs[uid])
    )


@pytest.mark.parametrize(
    "attack",
    [
        "'; DROP TABLE run; --",
        "' OR '1'='1", "\\' OR 1=1 --", "%' OR '%'='", "x') UNION SELECT 1",
        ":p0", "%s", "{0}", "$1", "?", "\\", "*", "[a-z]", "/*", "\u2019 or 1=1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["key", "text", "like", "ilike", "order", "experiment"])
def test_what_is_written_is_never_sql(
    full: Workspace, runs: Population, attack: str, where: str
) -> None:
    quoted = attack.replace("'", "''").replace("`", "``")
    key = "tags.`" + attack.replace("`", "``") + "`"
    asked = {
        "key": SearchRuns(f"{key} = 'x'"),
        "text": SearchRuns(f"tags.model = '{quoted}'"),
        "like": SearchRuns(f"tags.model LIKE '%{quoted}'"),
        "ilike": SearchRuns(f"run_name ILIKE '{quoted}%'"),
        "order": SearchRuns("tags.model = 'nothing has this'", order_by=[key]),
        "experiment": SearchRuns(f"experiment = '{quoted}'"),
    }[where]
    expected = parse(asked.filter, RUNS)
    found = {run.run_id for run in full.connection.search.search(asked).items}
    assert found == {uid for uid, run in runs.items() if matches(expected, run)}
