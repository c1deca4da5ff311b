"""What is answered to a mini-batch becomes columns, and where it can't, the rows at fault are
found."""

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from ml_workspace_lab.endpoints.batch.answers import Unlike, aligned
from ml_workspace_lab.endpoints.batch.model import Content
from ml_workspace_lab.endpoints.batch.scoring import Scoring
from ml_workspace_lab.endpoints.batch.values import Block
from ml_workspace_lab.endpoints.scoring.call import BadInput
from ml_workspace_lab.errors import InvalidInput

ROWS = [4, 5, 6]
NAN = pytest.approx(np.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("answer", "columns"),
    [
        (np.array([1, 2, 3]), [("prediction", "int", [1, 2, 3])]),
        (np.array([[1.5], [2], [3]]), [("prediction", "float", [1.5, 2, 3])]),
        (
            np.array([[1, 2], [3, 4], [5, 6]]),
            [("prediction_0", "int", [1, 3, 5]), ("prediction_1", "int", [2, 4, 6])],
        ),
        (["a", None, "c"], [("prediction", "text", ["a", None, "c"])]),
        ([1, 2.5, None], [("prediction", "float", [1, 2.5, None])]),
        ([1, "a", True], [("prediction", "json", ["1", '"a"', "true"])]),
        ([None, None, None], [("prediction", "none", [None] * 3)]),
        ([[1, 2], [3], []], [("prediction", "json", ["[1, 2]", "[3]", "[]"])]),
        ('{"predictions": [1, 2, 3]}', [("prediction", "int", [1, 2, 3])]),
        (
            {"label": ["a", "b", "c"], "p": [0.1, 0.2, float("nan")]},
            [
                ("label", "text", ["a", "b", "c"]),
                ("p", "float", [0.1, 0.2, pytest.approx(np.nan, nan_ok=True)]),
            ],
        ),
        (
            [{"a": 1}, {"a": 2, "b": "x"}, {}],
            [("a", "int", [1, 2, None]), ("b", "text", [None, "x", None])],
        ),
        (pd.Series([True, False, True]), [("prediction", "bool", [True, False, True])]),
        (
            pd.DataFrame({"t": pd.to_datetime(["2026-01-01", None, "2026-01-03"])}),
            [("t", "text", ["2026-01-01T00:00:00", None, "2026-01-03T00:00:00"])],
        ),
    ],
)
def test_an_answer_becomes_columns(answer: Any, columns: Any) -> None:
    rows, found = aligned(answer, ROWS)
    assert rows == ROWS
    assert found == columns


def test_a_table_of_fewer_rows_says_by_its_index_which(tmp_path: Any) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]}, index=ROWS)
    assert aligned(frame[frame.x != 2], ROWS) == ([4, 6], [("x", "int", [1, 3])])


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2], "three", '"three"', 3, None, {"a": [1]}, {}, np.array([1, 2]),
        pd.DataFrame({"x": [1, 2]}), pd.DataFrame([[1, 2]] * 3, columns=["a", "a"]),
    ],
)  # fmt: skip
def test_an_answer_without_a_value_for_each_row_is_none(answer: Any) -> None:
    with pytest.raises(Unlike):
        aligned(answer, ROWS)


class Picky:
    """Refuses rows whose x is negative; `calls` has what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def answer(self, block: Block) -> Any:
        values = block.columns["x"].tolist()
        self.calls.append(values)
        if any(value == -2 for value in values):
            raise ZeroDivisionError("two")
        if any(value < 0 for value in values):
            raise BadInput("The model does not take these rows: negative")
        return block.columns["x"] * 2 if len(values) > 1 else [values[0] * 2.0]


def scored(values: list[int]) -> tuple[Content, Picky, Any]:
    picky = Picky()
    block = Block(list(range(10, 10 + len(values))), {"x": np.array(values)}, [(99, "unreadable")])
    done = Scoring(picky, keeps_values=True).score(7, block)
    assert (done.number, done.scored + done.failed) == (7, len(values) + 1)
    return msgspec.msgpack.decode(done.content, type=Content), picky, done


def test_bad_rows_are_found_and_the_others_are_kept_in_their_order() -> None:
    content, picky, done = scored([1, 2, -1, 4, 5, 6, 7, -2])
    assert content.rows == [10, 11, 13, 14, 15, 16]
    assert content.values == [[2, 4, 8, 10, 12, 14]]
    assert done.columns == [("prediction", "float")], "one part has integers, another has not"
    assert content.failures == [
        (12, "The model does not take these rows: negative"),
        (17, "ZeroDivisionError: two"),
        (99, "unreadable"),
    ]
    assert len(picky.calls) < 16


def test_a_good_mini_batch_is_one_call() -> None:
    content, picky, _ = scored([1, 2, 3])
    assert content.values == [[2, 4, 6]]
    assert len(picky.calls) == 1


def test_what_all_rows_lack_is_no_fault_of_a_row() -> None:
    class Lacking:
        def answer(self, block: Block) -> Any:
            raise InvalidInput("input: Columns differ.")

    with pytest.raises(InvalidInput, match="differ"):
        Scoring(Lacking(), keeps_values=True).score(0, Block([0], {}))
