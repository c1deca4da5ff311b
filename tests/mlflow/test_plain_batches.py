"""Batches in the form that they mostly have: read at once, and as the strict way reads them."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.mlflow.logging import PLAIN_BATCH, LogBatch, PlainBatch
from ml_workspace_lab.mlflow.reading import body
from tests.mlflow.test_reading import request

RUN = "a" * 32
texts = st.sampled_from(["a", "", 'b":', "\0", "é", " :", "\ud800"])
numbers = st.sampled_from(
    [0, 1, -1, 0.5, 2**53, 2**63, 10**40, "1", "NaN", "inf", "x", True, None, float("inf")]
)
FIELDS = {"key": texts, "value": numbers, "timestamp": numbers, "step": numbers}
more = {"model_id": texts, "other": numbers}
metrics = st.fixed_dictionaries(FIELDS) | st.fixed_dictionaries({}, optional=FIELDS | more)
batches = st.fixed_dictionaries(
    {"run_id": st.just(RUN) | texts, "metrics": st.lists(metrics, max_size=3)},
    optional={"params": st.just([]), "run_uuid": st.just(RUN), "other": numbers},
)


def plain(raw: bytes) -> PlainBatch | None:
    return PLAIN_BATCH.read(raw)


def strict(raw: bytes) -> Any:
    try:
        return body(request(raw), LogBatch)
    except InvalidInput:
        return None


def as_data(batch: Any) -> Any:
    """What a batch says, with NaN as text: it is not equal to itself."""
    return [batch.run_id, [repr((m.key, m.value, m.timestamp, m.step)) for m in batch.metrics]]


@given(batches, st.booleans())
def test_what_is_read_at_once_is_what_the_strict_way_reads(
    batch: dict[str, Any], ascii_only: bool
) -> None:
    raw = json.dumps(batch, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = plain(raw)
    if found is not None:
        assert as_data(found) == as_data(strict(raw))
        assert (found.params, found.tags) == ((), ())


@given(
    st.sampled_from(['"key": "a"', '"value": 2', '"timestamp": 1', '"step": 7', '"run_id": "b"']),
    st.integers(0, 3),
)
def test_a_key_that_stands_twice_is_left_to_the_strict_way(twice: str, left_out: int) -> None:
    point = ['"key": "a"', '"value": 1', '"timestamp": 1', '"step": 1']
    point[left_out] = twice
    raw = f'{{"run_id": "{RUN}", "metrics": [{{{", ".join(point)}}}]}}'.encode()
    found = plain(raw)
    assert found is None or len(set(point)) == len({one.split(":")[0] for one in point}) == 4


def test_the_usual_form_is_read_at_once() -> None:
    point = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 2}
    raw = json.dumps({"run_id": RUN, "metrics": [point, point | {"value": "NaN"}]}).encode()
    found = plain(raw)
    assert found is not None
    assert structs.asdict(found.metrics[0]) == point
    assert plain(raw.replace(b'"step": 2', b'"step": 2, "model_id": "m-1"')) is None
