"""What is computed from classes and probabilities agrees with scikit-learn."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from ml_workspace_lab.client.charts.classes import (
    accuracy_table,
    confusion_matrix,
    labelled_matrix,
)
from ml_workspace_lab.client.charts.curves import area, recall_curve, roc_curve
from ml_workspace_lab.errors import InvalidInput

RANDOM = np.random.default_rng(7)
TRUE = RANDOM.integers(0, 3, 2000)
SCORES = RANDOM.random((2000, 3)) + 1.2 * np.eye(3)[TRUE]
PROBABILITIES = SCORES / SCORES.sum(axis=1, keepdims=True)
PREDICTED = PROBABILITIES.argmax(axis=1)


def test_a_confusion_matrix_is_that_of_scikit_learn() -> None:
    found = confusion_matrix(TRUE, PREDICTED)
    assert found.class_labels == ["0", "1", "2"]
    assert found.matrix == metrics.confusion_matrix(TRUE, PREDICTED).tolist()


def test_labels_give_the_order_and_classes_that_do_not_occur() -> None:
    found = confusion_matrix(pd.Series(["b", "a"]), ["b", "b"], labels=["b", "a", "c"])
    assert found.class_labels == ["b", "a", "c"]
    assert found.matrix == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_no_class_is_left_out_in_silence() -> None:
    with pytest.raises(InvalidInput, match="the class 'c' is not among the labels") as refusal:
        confusion_matrix(["a"], ["c"], labels=["a", "b"])
    assert refusal.value.field == "y_pred"


@pytest.mark.parametrize(
    ("y_true", "y_pred", "field"),
    [
        ([1, 2], [1], "y_pred"),
        ([], [], "y_true"),
        ([1], ["1"], "labels"),
        ([float("nan")], [1], "y_true"),
        ([[1, 0]], [[0, 1]], "y_true"),
        (range(1001), range(1001), "y_true"),
        ("ab", ["a", "b"], "y_true"),
    ],
)
def test_arrays_of_no_classes_are_refused(y_true: Any, y_pred: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        confusion_matrix(y_true, y_pred)
    assert refusal.value.field == field


def test_a_matrix_that_is_there_already_is_taken() -> None:
    assert labelled_matrix(np.array([[3, 1], [0, 2]])).matrix == [[3, 1], [0, 2]]
    frame = pd.DataFrame([[0.5, 1.0], [0.0, 2.0]])
    assert labelled_matrix(frame, ["a", "b"]).class_labels == ["a", "b"]


def test_each_table_counts_every_sample_at_every_threshold() -> None:
    found = accuracy_table(TRUE, PROBABILITIES)
    for tables in (found.probability_tables, found.percentile_tables):
        assert [len(table) for table in tables] == [101] * 3
        assert {sum(counts) for table in tables for counts in table} == {2000}
    first, half = found.probability_tables[1][0], found.percentile_tables[1][50]
    assert first == [np.sum(TRUE == 1), np.sum(TRUE != 1), 0, 0]
    assert half[0] + half[1] == 1000


@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_curves_are_those_of_scikit_learn(label: int) -> None:
    found = accuracy_table(TRUE, PROBABILITIES)
    table = [*found.probability_tables[label], *found.percentile_tables[label]]
    exact = metrics.roc_auc_score(label == TRUE, PROBABILITIES[:, label])
    assert area(roc_curve(table)) == pytest.approx(exact, abs=2e-3)
    exact = metrics.average_precision_score(label == TRUE, PROBABILITIES[:, label])
    assert area(recall_curve(table)) == pytest.approx(exact, abs=5e-3)


def test_of_two_classes_the_probability_of_the_second_will_do() -> None:
    second = [0.1, 0.8, 0.4]
    both = [[1 - p, p] for p in second]
    assert accuracy_table(["n", "y", "y"], second) == accuracy_table(["n", "y", "y"], both)


@pytest.mark.parametrize(
    ("y_true", "y_prob", "field"),
    [
        ([0, 1], [[0.5, 0.5]], "y_prob"),
        ([0, 1], [0.5, 1.5], "y_prob"),
        ([0, 1], [0.5, float("nan")], "y_prob"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "y_prob[0]"),
        ([0, 1, 2], [[0.5, 0.5]] * 3, "y_prob"),
        ([0, 1], [], "y_prob"),
        ([], [], "y_true"),
    ],
)
def test_what_are_no_probabilities_is_refused(y_true: Any, y_prob: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        accuracy_table(y_true, y_prob)
    assert refusal.value.field == field
