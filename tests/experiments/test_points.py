"""Points taken apart, summed up and thinned out; few and many of them give the same."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.experiments import points, sampling
from ml_workspace_lab.storage.chunks import Columns
from ml_workspace_lab.storage.journal import MARK, RECORD

Row = tuple[int, int, float]
VALUES = st.sampled_from([0.0, 1.5, -2.0, math.nan, math.inf])
ROWS = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 3), VALUES), min_size=1, max_size=30)


def few(rows: list[Row]) -> points.Points:
    steps, times, values = points.empty()
    for step, time, value in rows:
        steps.append(step)
        times.append(time)
        values.append(value)
    return steps, times, values


def told(summary: points.Summary) -> list[str]:
    """Comparable also where NaN is in it."""
    return [repr(getattr(summary, name)) for name in summary.__struct_fields__]


@given(ROWS)
def test_a_summary_is_the_same_for_few_and_for_many(rows: list[Row]) -> None:
    assert told(points.summary(few(rows))) == told(points.summary(points.as_columns(few(rows))))


@given(ROWS, ROWS)
def test_summaries_of_parts_make_the_summary_of_the_whole(one: list[Row], two: list[Row]) -> None:
    parts = points.merged(points.summary(few(one)), points.summary(few(two)))
    assert told(parts) == told(points.summary(few(one + two)))


def test_the_last_value_is_that_of_the_greatest_step_then_time_then_value() -> None:
    rows = [(2, 1, 0.1), (2, 2, 0.2), (2, 2, 0.9), (1, 9, 5.0)]
    summary = points.summary(few(rows))
    assert (summary.last, summary.last_step, summary.last_time) == (0.9, 2, 2)


@pytest.mark.parametrize("count", [3, points.FEW + 500])
def test_records_are_parted_by_metric_in_their_order(count: int) -> None:
    records = b"".join(RECORD.pack(i, 2 * i, float(i), i % 3, MARK) for i in range(count))
    found = points.by_number(records)
    assert sorted(found) == [0, 1, 2]
    for number, (steps, times, values) in found.items():
        expected = list(range(number, count, 3))
        assert list(steps) == expected
        assert list(times) == [2 * step for step in expected]
        assert list(values) == expected


@given(ROWS, ROWS)
def test_a_point_that_is_known_is_not_fresh(known: list[Row], given_: list[Row]) -> None:
    def keys(rows: list[Row]) -> list[tuple[int, int, str]]:
        return [(step, time, repr(value)) for step, time, value in rows]

    found = points.without_known(few(given_), [few(known)])
    expected = [key for key in dict.fromkeys(keys(given_)) if key not in keys(known)]
    rows = (
        []
        if found is None
        else [(int(s), int(t), float(v)) for s, t, v in zip(*found, strict=True)]
    )
    assert keys(rows) == expected


@pytest.mark.parametrize("count", [5, 1001, 65_537])
def test_a_sample_keeps_spikes_and_both_ends(count: int) -> None:
    values = np.random.default_rng(1).normal(size=count)
    values[count // 3], values[count // 2] = 1e6, -1e6
    values[0] = math.nan
    whole = Columns(np.arange(count), np.arange(count), values)
    sample = sampling.sampled(whole, 200)
    assert len(sample.steps) <= max(200, 5)
    assert {0, count // 3, count // 2, count - 1} <= set(sample.steps.tolist())
    assert (np.diff(sample.steps) > 0).all()


def test_a_preview_holds_the_extremes_of_its_chunk() -> None:
    values = np.sin(np.arange(sampling.PREVIEWED) / 50)
    values[1234] = 99
    reduced = sampling.preview(Columns(np.arange(len(values)), np.arange(len(values)), values))
    assert reduced is not None
    assert reduced.values.max() == 99
    assert reduced.values.min() == values.min()
    assert len(reduced.steps) <= 2 * len(values) // sampling.BUCKET + 2
