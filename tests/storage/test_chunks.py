"""Compressed points come back as they were, bit by bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.storage import chunks
from ml_workspace_lab.storage.chunks import Columns

INT64 = st.integers(-(2**63), 2**63 - 1)


def columns(rows: list[tuple[int, int, float]]) -> Columns:
    return Columns(
        np.array([row[0] for row in rows], "<i8"),
        np.array([row[1] for row in rows], "<i8"),
        np.array([row[2] for row in rows], "<f8"),
    )


def same(one: Columns, other: Columns) -> bool:
    return all(
        np.array_equal(a.view("<i8"), b.view("<i8")) for a, b in zip(one, other, strict=True)
    )


@given(st.lists(st.tuples(INT64, INT64, st.floats()), min_size=1, max_size=200))
def test_whatever_goes_in_comes_out(rows: list[tuple[int, int, float]]) -> None:
    given_ = columns(rows)
    assert same(chunks.decode(chunks.encode(given_)), given_)


@pytest.mark.parametrize("count", [1, 63, 64, 65, chunks.MAX_POINTS])
@pytest.mark.parametrize("kind", ["<f4", "<f8"])
def test_series_of_every_length_come_back(count: int, kind: str) -> None:
    random = np.random.default_rng(count)
    given_ = Columns(
        np.arange(count) * 10,
        1_700_000_000_000 + np.cumsum(random.integers(0, 900, count)),
        random.normal(size=count).astype(kind).astype("<f8"),
    )
    body = chunks.encode(given_)
    assert same(chunks.decode(body), given_)
    if count > 1000:
        assert len(body) <= (6 if kind == "<f4" else 10) * count


def test_a_chunk_without_numpy_reads_the_same_with_it() -> None:
    from array import array

    body = chunks.raw(array("q", [1, 2]), array("q", [3, -4]), array("d", [0.5, float("nan")]))
    found = chunks.decode(body)
    assert found.steps.tolist() == [1, 2]
    assert found.times.tolist() == [3, -4]
    assert found.values[0] == 0.5
    assert np.isnan(found.values[1])
    again = chunks.unraw(body)
    assert again is not None
    assert again[1].tolist() == [3, -4]


def test_a_packed_chunk_is_not_taken_for_a_raw_one() -> None:
    many = Columns(np.arange(100), np.arange(100), np.zeros(100))
    assert chunks.unraw(chunks.encode(many)) is None
