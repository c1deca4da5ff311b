"""The search for experiments, on both databases."""

from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments import store
from ml_workspace_lab.experiments.finding import SearchExperiments
from ml_workspace_lab.experiments.model import CreateExperiment
from ml_workspace_lab.storage.sqlite import SqliteDatabase


@pytest.fixture
def shelf(ws: Workspace) -> Any:
    experiments = ws.connection.experiments
    experiments.default()
    for name, tags in [("a", {"k": "Value"}), ("B", {"k": "value"}), ("ä", {}), ("z", {})]:
        experiments.create(CreateExperiment(name, tags=tags))
    experiments.delete("z")
    experiments.archive("ä")
    return ws.connection.experiment_search


def names(shelf: Any, text: str = "", **fields: Any) -> list[str]:
    found = shelf.find(SearchExperiments(text, **{"order_by": ["experiment_id"], **fields}))
    return [one.name for one in found.items]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["Default", "a", "B"]),
        ("name = 'a'", ["a"]),
        ("tags.k = 'value'", ["B"]),
        ("tags.k ILIKE 'VAL%'", ["a", "B"]),
        ("tags.k IS NULL", ["Default"]),
        ("experiment_id IN ('0', '2')", ["Default", "B"]),
        ("NOT (name = 'a' OR created < 5)", ["Default", "B"]),
        ("created > '2026-01-01' AND name LIKE '_'", ["a", "B"]),
    ],
)
def test_a_filter_finds_its_experiments(shelf: Any, text: str, expected: list[str]) -> None:
    assert names(shelf, text) == expected


def test_the_view_says_which_are_looked_at(shelf: Any) -> None:
    assert names(shelf, view="archived") == ["ä"]
    assert names(shelf, view="deleted") == ["z"]
    assert names(shelf, view="all") == ["Default", "a", "B", "ä", "z"]


def test_names_are_put_in_order_by_their_characters_codes(shelf: Any) -> None:
    assert names(shelf, order_by=["name"], view="all") == ["B", "Default", "a", "z", "ä"]
    assert names(shelf, order_by=["name DESC"]) == ["a", "Default", "B"]


def test_pages_go_on_where_the_one_before_ended(shelf: Any, ws: Workspace) -> None:
    asked = {"order_by": ["name"], "limit": 2}
    first = shelf.find(SearchExperiments(**asked))
    ws.connection.experiments.create(CreateExperiment("A"))
    second = shelf.find(SearchExperiments(**asked, after=first.next))
    assert [one.name for one in (*first.items, *second.items)] == ["B", "Default", "a"]
    assert second.next is None
    with pytest.raises(InvalidInput, match="not the token"):
        shelf.find(SearchExperiments("name = 'a'", **asked, after=first.next))


def test_listing_goes_through_active_runs_alone(ws: Workspace) -> None:
    """Not through all runs: there may be a million of them."""
    database = ws.connection.storage.database
    if not isinstance(database, SqliteDatabase):
        pytest.skip("PostgreSQL plans by what is in its tables")
    plan = database.all(f"EXPLAIN QUERY PLAN {store.EXPERIMENTS}")
    steps = [row["detail"] for row in plan]
    scans = {step for step in steps if step.startswith("SCAN")}
    assert scans == {"SCAN e", "SCAN run USING INDEX run_active"}
