"""Series for charts: few points that show what is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.mlflow.sampling import sampled
from ml_workspace_lab.storage.chunks import Columns


def series(values: list[float]) -> Columns:
    steps = np.arange(len(values))
    return Columns(steps, steps * 10, np.array(values, "<f8"))


@given(st.lists(st.floats(), min_size=1, max_size=300), st.integers(1, 50))
def test_there_are_as_many_points_as_wanted_at_most_with_both_ends(
    values: list[float], wanted: int
) -> None:
    found = sampled(series(values), wanted)
    assert len(found.steps) == min(wanted, len(values))
    assert list(found.steps) == sorted(set(found.steps))
    assert found.steps[-1] == len(values) - 1
    if wanted > 1:
        assert found.steps[0] == 0


def test_of_alike_points_the_first_of_each_stretch_is_kept() -> None:
    assert list(sampled(series([10.0] * 10), 5).steps) == [0, 2, 4, 6, 9]


@pytest.mark.parametrize("spike", [1000.0, -1000.0, float("inf")])
@pytest.mark.parametrize("at", [1, 567, 998])
def test_a_point_that_stands_out_is_kept(spike: float, at: int) -> None:
    values = [0.0] * 1000
    values[at] = spike
    assert spike in sampled(series(values), 20).values


def test_values_that_are_no_numbers_hide_no_others() -> None:
    values = [float("nan")] * 1000
    values[500] = 1.0
    assert 1.0 in sampled(series(values), 20).values
