"""What is computed from numbers on a scale agrees with numpy, and bears any double."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.client.charts.bins import draw_predictions, draw_residuals
from ml_workspace_lab.client.charts.scales import GREATEST, predictions, residuals
from ml_workspace_lab.errors import InvalidInput

RANDOM = np.random.default_rng(3)
TRUE = RANDOM.normal(50, 20, 3000)
PREDICTED = TRUE + RANDOM.normal(1, 4, 3000)


def test_residuals_are_the_predicted_minus_the_true_as_a_histogram() -> None:
    found = residuals(TRUE, PREDICTED, bins=30)
    counts, edges = np.histogram(PREDICTED - TRUE, bins=30)
    assert found.bin_edges == pytest.approx(edges.tolist())
    assert found.bin_counts == counts.tolist()


def test_predictions_are_binned_by_true_values() -> None:
    found = predictions(TRUE, PREDICTED, bins=10)
    inside = (found.bin_edges[4] <= TRUE) & (found.bin_edges[5] > TRUE)
    assert found.bin_counts[4] == inside.sum()
    assert found.bin_averages[4] == pytest.approx(PREDICTED[inside].mean())
    assert found.bin_errors[4] == pytest.approx(PREDICTED[inside].std())


def test_an_empty_bin_has_no_mean() -> None:
    found = predictions([0, 10], [1, 9], bins=5)
    assert found.bin_averages == [1, None, None, None, 9]
    assert "3 of 5 bins have no mean" in draw_predictions(found, "p", "")


@pytest.mark.parametrize(
    ("y_true", "y_pred", "bins", "field"),
    [
        ([1, 2], [1], 20, "y_pred"),
        ([], [], 20, "y_true"),
        ([math.nan], [1], 20, "y_true"),
        ([1], [math.inf], 20, "y_pred"),
        ([1e300], [1], 20, "y_true"),
        (["a"], [1], 20, "y_true[0]"),
        ([1], [1], 0, "bins"),
        ([1], [1], 1001, "bins"),
        ([1], [1], 2.5, "bins"),
        ([1], [1], True, "bins"),
    ],
)
def test_what_can_not_be_binned_is_refused(y_true: Any, y_pred: Any, bins: Any, field: str) -> None:
    for compute in (residuals, predictions):
        with pytest.raises(InvalidInput) as refusal:
            compute(y_true, y_pred, bins)
        assert refusal.value.field == field


@given(
    pairs=st.lists(st.tuples(*[st.floats(-GREATEST, GREATEST)] * 2), min_size=1, max_size=20),
    bins=st.integers(1, 50),
)
def test_any_numbers_are_counted_whole_and_drawn(
    pairs: list[tuple[float, float]], bins: int
) -> None:
    true, predicted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    errors, means = residuals(true, predicted, bins), predictions(true, predicted, bins)
    for found in (errors, means):
        found.check()
        assert sum(found.bin_counts) == len(pairs)
    for svg in (draw_residuals(errors, "r", ""), draw_predictions(means, "p", "")):
        assert "nan" not in svg
        assert "inf" not in svg
