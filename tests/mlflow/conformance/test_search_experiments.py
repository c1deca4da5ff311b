"""Search over experiments."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.mlflow.conformance.target import Json, Target, invalid, ok

SEARCH = "experiments/search"


@dataclass(frozen=True)
class Shelf:
    """Experiments `a`, `ab` and `Abc` behind a prefix of their own, and the deleted one `ad`."""

    target: Target
    prefix: str

    def names(self, text: str = "", **fields: Any) -> list[str]:
        own = f"name ILIKE '{self.prefix}%'"
        body = {"filter": f"{own} AND {text}" if text else own, "max_results": 100, **fields}
        answer = ok(self.target.post(SEARCH, **body))
        return [e["name"].removeprefix(self.prefix) for e in answer.get("experiments", [])]


@pytest.fixture(scope="module")
def shelf(target: Target) -> Shelf:
    prefix = target.name("s") + "-"
    for name, value in [("a", "value"), ("ab", "vaLue"), ("Abc", None), ("ad", "value")]:
        tags = [{"key": "key", "value": value}] if value else []
        experiment_id = target.experiment(name=prefix + name, tags=tags)
    ok(target.post("experiments/delete", experiment_id=experiment_id))
    return Shelf(target, prefix)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Abc ab a"),
        ("attribute.name = '{}a'", "a"),
        ("attribute.name != '{}a'", "Abc ab"),
        ("name LIKE '{}a%'", "ab a"),
        ("name ILIKE '%ABC'", "Abc"),
        ("tag.key = 'value'", "a"),
        ("tags.key != 'value'", "ab"),
        ("tag.key ILIKE '%alu%'", "ab a"),
        ("tags.key LIKE '%alu%'", "a"),
        ("tags.key IS NULL", "Abc"),
        ("tags.`key` IS NOT NULL", "ab a"),
        ("creation_time > 0", "Abc ab a"),
        ("last_update_time < 5", ""),
        ("name = '{}ad'", ""),
    ],
)
def test_a_filter_finds_its_experiments(shelf: Shelf, text: str, expected: str) -> None:
    assert shelf.names(text.format(shelf.prefix)) == expected.split()


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        (["name"], "Abc a ab"),
        (["name DESC"], "ab a Abc"),
        (["attribute.experiment_id ASC"], "a ab Abc"),
        (["experiment_id DESC"], "Abc ab a"),
        (["creation_time ASC", "experiment_id"], "a ab Abc"),
        (["last_update_time DESC", "experiment_id DESC"], "Abc ab a"),
    ],
)
def test_experiments_come_in_order(shelf: Shelf, order_by: list[str], expected: str) -> None:
    assert shelf.names(order_by=order_by) == expected.split()


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("ACTIVE_ONLY", "Abc ab a"),
        ("DELETED_ONLY", "ad"),
        ("ALL", "ad Abc ab a"),
        (2, "ad"),
    ],
)
def test_the_view_says_whether_deleted_ones_are_found(
    shelf: Shelf, view: Any, expected: str
) -> None:
    assert shelf.names(view_type=view) == expected.split()


def test_experiments_come_in_pages(shelf: Shelf) -> None:
    body = {"filter": f"name ILIKE '{shelf.prefix}%'", "max_results": 2}
    first = ok(shelf.target.post(SEARCH, **body))
    assert len(first["experiments"]) == 2
    second = ok(shelf.target.post(SEARCH, **body, page_token=first["next_page_token"]))
    assert len(second["experiments"]) == 1
    assert "next_page_token" not in second


def test_a_search_may_be_a_get(shelf: Shelf) -> None:
    query = {"filter": f"name = '{shelf.prefix}a'", "max_results": 5, "view_type": "ALL"}
    (found,) = ok(shelf.target.get(SEARCH, **query))["experiments"]
    assert found["name"] == f"{shelf.prefix}a"
    assert found["tags"] == [{"key": "key", "value": "value"}]


def test_experiments_are_found_by_their_ids(target: Target) -> None:
    one, two = target.experiment(), target.experiment()
    body = {"filter": f"experiment_id IN ('{one}', '{two}')", "max_results": 5}
    found = ok(target.post(SEARCH, **body))["experiments"]
    assert [e["experiment_id"] for e in found] == [two, one]


@pytest.mark.parametrize(
    "fields",
    [
        {"max_results": 0},
        {"max_results": -1},
        {"max_results": 50001},
        {"max_results": "x"},
        {},
        {"max_results": 5, "filter": "nonsense = 'x'"},
        {"max_results": 5, "filter": "name > 'x'"},
        {"max_results": 5, "filter": "params.x = 'y'"},
        {"max_results": 5, "filter": "name = 'x"},
        {"max_results": 5, "order_by": ["nonsense"]},
        {"max_results": 5, "order_by": ["tag.team"]},
        {"max_results": 5, "order_by": ["tags.name DESC"]},
        {"max_results": 5, "order_by": "name"},
        {"max_results": 5, "page_token": "no token"},
    ],
)
def test_a_wrong_search_is_refused(target: Target, fields: Json) -> None:
    invalid(target.post(SEARCH, **fields))
