"""Tables of mappings and data frames, kept cell by cell or refused whole."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_workspace_lab.client.tables import columns, joined, table
from ml_workspace_lab.errors import InvalidInput


def test_a_data_frame_is_kept_with_what_is_missing_in_it() -> None:
    frame = pd.DataFrame(
        {
            "name": ["Ada", None],
            "born": pd.array([1815, None], dtype="Int64"),
            "score": [0.5, math.inf],
            "when": pd.to_datetime(["2026-01-02", None]),
            "kind": pd.Categorical(["x", None]),
            "any": pd.Series(["x", math.nan], dtype=object),
            "gap": [0.5, math.nan],
        }
    )
    kept = json.loads(table(frame, "people"))
    assert kept["description"] == "people"
    assert kept["columns"]["born"] == [1815, None]
    assert kept["columns"]["score"] == [0.5, "Infinity"]
    assert kept["columns"]["when"] == ["2026-01-02T00:00:00", None]
    assert kept["columns"]["name"] == ["Ada", None]
    assert kept["columns"]["kind"] == ["x", None]
    assert kept["columns"]["any"] == ["x", None]
    assert kept["columns"]["gap"] == [0.5, "NaN"], "in numbers it is a value"


def test_an_index_that_says_something_is_a_column() -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index(["a", "b"], name="key"))
    assert columns(frame) == {"key": ["a", "b"], "x": [1, 2]}
    assert columns(pd.DataFrame({"x": [1, 2]})) == {"x": [1, 2]}


def test_a_column_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="stands twice"):
        columns(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InvalidInput, match="can't become a column"):
        columns(pd.DataFrame({"key": [1]}, index=pd.Index(["a"], name="key")))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"a": [1], "b": [1, 2]}, "value"),
        ({"a": "text"}, "value.a"),
        ({"a": [object()]}, "value.a"),
        ({"a": [[1]]}, "value.a"),
        ({1: [1]}, "value"),
        ([1, 2], "value"),
        (None, "value"),
        (pd.DataFrame({0: [1]}), "value"),
        ({"a": np.zeros((2, 2))}, "value.a"),
    ],
)
def test_what_is_no_table_is_refused_with_the_field(given: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        table(given)
    assert refusal.value.field == field


def test_an_empty_table_is_one() -> None:
    assert json.loads(table({})) == {"columns": {}}
    assert json.loads(table({"a": []})) == {"columns": {"a": []}}


def test_parts_are_joined_with_none_where_there_is_no_column() -> None:
    assert joined([{"a": [1, 2]}, {}, {"b": [3], "a": [4]}]) == {
        "a": [1, 2, 4],
        "b": [None, None, 3],
    }
