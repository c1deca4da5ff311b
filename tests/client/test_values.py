"""Values of other libraries become Python's own, whole, or are refused with the field's name."""

import datetime
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_workspace_lab.client.values import as_json, metric_numbers, numbers, scalar, sequence
from ml_workspace_lab.errors import InvalidInput


def test_arrays_and_series_are_lists() -> None:
    assert sequence(np.array([1, 2]), "x") == [1, 2]
    assert sequence(pd.Series(["a", None]), "x")[0] == "a"
    assert sequence((n for n in (1, 2)), "x") == [1, 2]
    assert numbers(np.array([1.5, math.inf], dtype=np.float32), "x") == [1.5, math.inf]


@pytest.mark.parametrize("given", ["12", b"12", {"a": 1}, 5, None])
def test_what_is_no_list_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput, match="is not a list") as refusal:
        sequence(given, "y_true")
    assert refusal.value.field == "y_true"


def test_the_place_of_what_is_no_number_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"values\[1\]: str is not a number"):
        numbers([1, "2"], "values")
    with pytest.raises(InvalidInput, match="beyond what a double can hold"):
        numbers([10**400], "values")


def test_times_that_would_become_bare_numbers_are_refused() -> None:
    with pytest.raises(InvalidInput, match="says it is a time"):
        sequence(np.array(["2026-01-01"], dtype="datetime64[ns]"), "x")
    for given in (np.datetime64("2026-01-01", "ns"), np.timedelta64(5, "ns")):
        with pytest.raises(InvalidInput, match=r"p: .* says it is a time"):
            scalar(given, "p")


def test_scalars_are_what_json_can_hold() -> None:
    assert scalar(np.int64(3), "p") == 3
    assert scalar(np.float32("nan"), "p") == "NaN"
    assert scalar(-math.inf, "p") == "-Infinity"
    assert scalar(datetime.date(2026, 1, 2), "p") == "2026-01-02"
    assert scalar(pd.Timestamp("2026-01-02T03:04:05.123456789"), "p").endswith(".123456789")  # type: ignore[union-attr]
    with pytest.raises(InvalidInput, match="p: complex"):
        scalar(1j, "p")


def test_json_holds_everything_or_nothing() -> None:
    given = {"a": [1, (2.5, math.nan)], "b": np.arange(3), "c": {"d": None, "e": True}}
    assert json.loads(as_json(given, "x")) == {
        "a": [1, [2.5, "NaN"]],
        "b": [0, 1, 2],
        "c": {"d": None, "e": True},
    }


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    "given", [{1: "x"}, {"a": {2, 3}}, {"a": object()}, {"a": "\ud800"}, {"a": b"x"}, nested(100)]
)
def test_what_json_would_bend_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput) as refusal:
        as_json(given, "dictionary")
    assert refusal.value.field


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidInput, match="nested deeper"):
        as_json(endless, "dictionary")


@pytest.mark.parametrize("given", [{"": 1}, {"a\n": 1}, {3: 1}, {"a": "1"}, ["a"], {"a": None}])
def test_metrics_are_numbers_by_name(given: Any) -> None:
    with pytest.raises(InvalidInput):
        metric_numbers(given)
