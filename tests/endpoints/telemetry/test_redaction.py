"""What may be kept of a request and its answer, and what may not."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.endpoints.telemetry.model import Sampling
from ml_workspace_lab.endpoints.telemetry.redaction import Redactor

KEY = b"the key of the hashes"
COLUMNS = ("age", "E-Mail", "income")


def redacted(request: Any, response: Any = None, **rules: Any) -> tuple[Any, Any]:
    return Redactor(Sampling(1, **rules), KEY, COLUMNS).redacted(request, response, ())


@pytest.mark.parametrize(
    ("request_", "kept"),
    [
        ({"email": "a@b.example", "age": 3}, {"email": None, "age": 3}),
        ({"user": {"E_mail": ["a@b.example", 7]}}, {"user": {"E_mail": None}}),
        ({"data": [[3, "x", 5]]}, {"data": [[3, None, 5]]}),
        (
            {"input_data": {"columns": ["email", "b"], "index": [0], "data": [["x", 1]]}},
            {"input_data": {"columns": ["email", "b"], "index": [0], "data": [[None, 1]]}},
        ),
        (
            {"dataframe_split": {"columns": ["b", "EMAIL"], "data": [[1, "x"], [2]]}},
            {"dataframe_split": {"columns": ["b", "EMAIL"], "data": [[1, None], None]}},
        ),
        (
            {"inputs": [{"name": "email", "shape": [1], "datatype": "BYTES", "data": ["x"]}]},
            {"inputs": [{"name": "email", "shape": [1], "datatype": "BYTES", "data": None}]},
        ),
        ([{"email": "x"}, {"email": "y"}], [{"email": None}, {"email": None}]),
        ([[3, "x", 5], [4, "y", 6]], [[3, None, 5], [4, None, 6]]),
        ([3, "x", 5], [3, None, 5]),
        ({"data": [[3, "x"], ["x"]]}, {"data": [None, None]}),
        ({"instances": [3, "x", 5, 4, "y", 6]}, {"instances": [3, None, 5, 4, None, 6]}),
        (
            {"inputs": [{"name": "in", "shape": [2, 3], "data": [3, "x", 5, 4, "y", 6]}]},
            {"inputs": [{"name": "in", "shape": [2, 3], "data": [3, None, 5, 4, None, 6]}]},
        ),
        (
            {"inputs": [{"name": "age", "shape": [2], "data": [3, 4]}]},
            {"inputs": [{"name": "age", "shape": [2], "data": [3, 4]}]},
        ),
        ({"inner": '{"email": "x", "b": 1}'}, {"inner": '{"email": null, "b": 1}'}),
    ],
)
def test_a_field_is_dropped_wherever_it_stands(request_: Any, kept: Any) -> None:
    assert redacted(request_, drop_fields=["e-mail"])[0] == kept


def test_rows_whose_columns_nobody_names_are_left_out_where_fields_are_to_be() -> None:
    rows = {"data": [[3, "x", 5]], "other": "kept"}
    without = Redactor(Sampling(1, drop_fields=["email"]), KEY)
    assert without.redacted(rows, {"p": [[0.1, 0.9, 0]]}, ())[0] == {
        "data": [None],
        "other": "kept",
    }
    assert redacted(rows, drop_fields=["of no column"])[0] == rows
    assert redacted(rows)[0] == rows
    # What is answered has no columns of the model.
    assert redacted(rows, [[0.1, 0.8, 0.1]], drop_fields=["email"])[1] == [[0.1, 0.8, 0.1]]


def test_a_hash_is_the_same_for_the_same_value_and_needs_the_key_to_be_guessed() -> None:
    rows = [{"name": "Ann"}, {"name": "Ben"}, {"name": "Ann"}, {"name": 7}, {"name": None}]
    found, _ = redacted(rows, hash_fields=["name"])
    hashes = [row["name"] for row in found]
    assert hashes[0] == hashes[2] != hashes[1]
    assert all(text.startswith("hash:") for text in hashes[:4])
    assert hashes[4] is None
    other, _ = Redactor(Sampling(1, hash_fields=["name"]), b"another").redacted(rows, None, ())
    assert other[0]["name"] != hashes[0]


@pytest.mark.parametrize(
    ("pattern", "text", "kept"),
    [
        ("email", "ask ann.lee+x@mail.example.com, now", "ask [email], now"),
        ("email", f"{'a' * 90}@b.example", "[email]"),
        ("number", "card 4111 1111-1111.1111!", "card [number]!"),
        ("number", "in 2024 he was 1.85 tall", "in 2024 he was 1.85 tall"),
        ("number", "9" * 100, "[number]"),
        ("ip", "from 10.1.2.3 and 2001:db8::ff00:42", "from [ip] and [ip]"),
        ("ip", "at 12:34:56, version 1.2.3", "at 12:34:56, version 1.2.3"),
    ],
)
def test_patterns_are_found_in_texts(pattern: Any, text: str, kept: str) -> None:
    assert redacted({"a": [text]}, text, drop_patterns=[pattern]) == ({"a": [kept]}, kept)


def test_a_number_that_is_an_identifier_is_found_as_a_number_too() -> None:
    rows = [4111111111111111, 4111111111111111.0, 123456.789, 0.12345678901, 12, 10**30]
    found, _ = redacted(rows, drop_patterns=["number"])
    assert found == ["[number]", "[number]", 123456.789, 0.12345678901, 12, "[number]"]


def test_names_of_fields_are_texts_too() -> None:
    assert redacted({"ann@b.example": 1}, drop_patterns=["email"])[0] == {"[email]": 1}


def test_what_a_field_held_is_taken_out_of_everything_else() -> None:
    request = {"name": "Ann Lee", "id": "A7", "zip": 12345, "note": "Ann Lee asks"}
    message = {"message": "Ann Lee (A7, zip 12345) is unknown, unlike BA77", "zip": 12345}
    asked, answered = redacted(request, message, drop_fields=["name", "id"], hash_fields=["zip"])
    assert asked["note"] == "[removed] asks"
    said = "[removed] ([removed], zip [removed]) is unknown, unlike BA77"
    assert answered == {"message": said, "zip": answered["zip"]}
    assert str(answered["zip"]).startswith("hash:")


def test_secrets_are_never_kept() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    request = {
        "api_key": "one", "headers": {"Authorization": "Bearer abcdefgh", "Cookie": "a=b"},
        "text": f"curl -H 'Authorization: Bearer abcdefgh' {token}", "password": {"x": "two"},
    }  # fmt: skip
    found = json.dumps(redacted(request))
    for secret in ("one", "abcdefgh", "a=b", "two", token):
        assert secret not in found


def test_a_key_that_a_request_came_with_is_taken_out_of_its_answer() -> None:
    redactor = Redactor(Sampling(1), KEY)
    found = redactor.redacted(
        {"a": "x"}, {"headers": "got s3cret-k3y-of-mine"}, ["s3cret-k3y-of-mine"]
    )
    assert found == ({"a": "x"}, {"headers": "got [removed]"})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_can_be_redacted_and_written(value: Any) -> None:
    import msgspec

    rules = {"drop_fields": ["a"], "hash_fields": ["b"], "hash_patterns": ["email", "ip", "number"]}
    msgspec.json.encode(redacted({"a": 1, "more": value}, value, **rules))


@pytest.mark.parametrize(
    "text", ["a" * 60_000, "1 " * 30_000, ":" * 60_000, "a@" * 30_000, "1." * 30_000, "(" * 60_000]
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    redacted(text, text, drop_patterns=["email", "ip", "number"])
    assert time.process_time() - began < 2
