"""Bodies of calls: read fast where nothing can be wrong, and at their word always."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.strict_json import loads
from ml_workspace_lab.api.types import Int64
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.mlflow.reading import _quick, body, query
from ml_workspace_lab.mlflow.wire import Request

JSON = {"Content-Type": "application/json"}
texts = st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


class Item(Struct):
    key: str
    value: float


class Call(Struct):
    run_id: str
    step: Int64 = 0
    items: list[Item] = field(default_factory=list)


def request(raw: bytes, headers: dict[str, str] = JSON, **asked: list[str]) -> Request:
    unused: Any = None
    connection: LocalConnection = unused  # reading asks nothing of it
    return Request(connection, {}, asked, io.BytesIO(raw), headers)


def refusal(raw: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        body(request(raw.encode()), Call)
    return caught.value.message


# A busy machine is slow to make the first of them.
@given(st.dictionaries(texts, values, max_size=4))
def test_the_fast_way_reads_what_the_strict_one_reads(given: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        raw = json.dumps(given, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        found = _quick(raw)
        if found is not None:
            assert found == loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        '{"run_id": "a", "run_id": "b"}',
        '{"run_id": "a", "items": [{"key": "k", "key": "l", "value": 1}]}',
        '{"run_id": "a", "\\u0072un_id": "b"}',
        '{"run_id": "a", "run_id" : ":"}',
        '{"run_id": "a", "run_id": "\\":"}',
    ],
)
def test_a_key_that_stands_twice_is_refused(raw: str) -> None:
    assert "stands twice" in refusal(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("{}", "Missing value for required parameter 'run_id'."),
        ('{"run_id": ""}', "Missing value for required parameter 'run_id'."),
        ('{"run_id": 5}', "Invalid value 5 for parameter 'run_id' supplied: Hint: Value was of ty"),
        ('{"run_id": "a", "step": "x"}', "Invalid value \"x\" for parameter 'step' supplied"),
        ('{"run_id": "a", "step": 9223372036854775808}', "for parameter 'step' supplied"),
        ('{"run_id": "a", "items": 5}', "Invalid value 5 for parameter 'items' supplied"),
        ('{"run_id": "a", "items": [{"value": 1}]}', "required parameter 'items[0].key'."),
        ('{"run_id": "a", "items": [{"key": null}]}', "required parameter 'items[0].key'."),
        ('{"run_id": "a", "items": [{"key": "k", "value": true}]}', "'items[0].value' supplied"),
        ("[]", "The body must be a JSON object."),
        ('"text"', "The body must be a JSON object."),
        ('{"run_id": NaN}', "NaN is not JSON."),
        ('{"run_id": "a", "x": 1e999}', "beyond what a double can hold"),
        ('{"run_id": "\\ud800"}', "half of a surrogate pair"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested deeper than 64"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper than 64"),
        ("{", "The body is not JSON"),
    ],
)
def test_what_is_wrong_is_named(raw: str, words: str) -> None:
    assert words in refusal(raw)


def test_numbers_may_be_text_and_unknown_fields_are_passed_over() -> None:
    raw = b'{"run_id": "a", "step": "-5", "new": {"x": 1}, "items": [{"key": "k", "value": "NaN"}]}'
    call = body(request(raw), Call)
    assert (call.run_id, call.step, call.items[0].key) == ("a", -5, "k")
    assert call.items[0].value != call.items[0].value
    assert body(request(b'{"run_uuid": "old"}'), Call).run_id == "old"
    assert body(request(b'{"run_id": "a", "step": null}'), Call).step == 0


def test_a_long_value_is_not_told_back_whole() -> None:
    assert len(refusal(json.dumps({"run_id": "a", "step": "x" * 100_000}))) < 400


def test_a_body_of_another_type_is_refused() -> None:
    for headers in ({"Content-Type": "text/plain"}, {}):
        with pytest.raises(InvalidInput, match="Content-Type must be one of"):
            body(request(b'{"run_id": "a"}', headers), Call)
    assert body(request(b'{"run_id": "a"}', {"Content-Type": "Application/JSON; x=y"}), Call)


def test_a_query_is_read_like_a_body() -> None:
    class Listed(Struct):
        run_ids: list[str]
        step: Int64 = 0

    call = query(request(b"", run_ids=["a", "b"], step=["1", "2"]), Listed)
    assert (call.run_ids, call.step) == (["a", "b"], 2)
    with pytest.raises(InvalidInput, match="required parameter 'run_ids'"):
        query(request(b""), Listed)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_beyond_64_bits_is_refused_with_the_reason(number: int) -> None:
    said = refusal(f'{{"run_id": "r", "step": {number}}}')
    assert "parameter 'step'" in said
    assert "64 bits" in said
