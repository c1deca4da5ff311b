"""What other parsers bend or drop is refused, with the field and the reason."""

import json
from contextlib import suppress
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.api.choices import choices
from ml_workspace_lab.api.strict_json import convert, decode, loads
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import LogMetrics, StartRun
from ml_workspace_lab.experiments.search.model import FrameRuns
from ml_workspace_lab.jobs.model import SubmitRun


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "beyond what a double"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested deeper"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
    ],
)
def test_what_is_not_strict_json_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        loads(raw)


def test_brackets_in_text_are_not_nesting() -> None:
    text = "[" * 200 + '\\"'
    assert loads(json.dumps({"a": text}).encode()) == {"a": text}


text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    max_leaves=20,
)


@given(values)
def test_what_is_json_comes_through_whole(value: Any) -> None:
    assert loads(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(InvalidInput):
        loads(raw)


@pytest.mark.parametrize(
    ("raw", "kind", "field"),
    [
        (b'{"points": [{"name": "a"}]}', LogMetrics, "points[0].value"),
        (b'{"points": [{"name": "", "value": 1}]}', LogMetrics, "points[0].name"),
        (b'{"points": 3}', LogMetrics, "points"),
        (b'{"tags": {"a": 1}}', StartRun, "tags.a"),
        (b'{"nme": "a"}', StartRun, "nme"),
        (b'{"run_id": "../../etc"}', StartRun, "run_id"),
    ],
)
def test_a_refusal_names_the_field(raw: bytes, kind: type, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        decode(raw, kind)
    assert refusal.value.field == field


def test_text_without_an_end_is_read_once() -> None:
    """Were it tried again from each of its quotes, this would take hours."""
    odd = b"[" * 60 + b"]" * 60 + b'"' + b'\\"' * 1_000_000 + b"[" * 10
    with pytest.raises(InvalidInput):
        loads(odd)
    nested = b'["' + b'\\"[' * 100 + b'"]'
    assert loads(nested) == ['"[' * 100]


def test_a_name_that_is_refused_is_told_with_its_rule_in_words() -> None:
    for wrong, message in (
        (
            {"inputs": {"ok": _PATH, "bad name": _PATH}},
            "inputs: 'bad name' must be letters, digits",
        ),
        (
            {"job": {"type": "command", "command": [], "parameters": {"1a": 1}}},
            "parameters: '1a' must",
        ),
        ({"environment_variables": {"": "x"}}, "environment_variables: a name in it: Expected"),
    ):
        with pytest.raises(InvalidInput) as refused:
            convert({**_SUBMISSION, **wrong}, SubmitRun)
        assert message in refused.value.message
        assert "regex" not in refused.value.message
        assert refused.value.field in message or refused.value.field == "job.parameters"


_PATH = {"type": "path", "path": "x"}
_SUBMISSION = {"job": {"type": "command", "command": ["x"]}, "snapshot_id": "a" * 64}


def test_what_is_refused_in_a_mapping_is_named() -> None:
    tags: dict[str, Any] = {f"t{number}": "v" for number in range(100)}
    for wrong in ("x" * 1_000_001, 3):
        with pytest.raises(InvalidInput, match=r"^tags\.t77: Expected `str`") as refusal:
            convert({"tags": {**tags, "t77": wrong}}, StartRun)
        assert refusal.value.field == "tags.t77"


@pytest.mark.parametrize(
    ("given", "kind", "hint"),
    [
        ({"view": "bogus"}, FrameRuns, "One of: active, deleted, all."),
        ({"kind": "bogus"}, StartRun, "One of: interactive, external."),
        ({"max_results": "many"}, FrameRuns, None),
    ],
)
def test_a_value_that_is_none_of_a_few_is_told_with_those(
    given: dict[str, Any], kind: type, hint: str | None
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        convert(given, kind)
    assert refusal.value.hint == hint


def test_the_values_of_a_field_within_a_field_are_known() -> None:
    class Inner(msgspec.Struct):
        mode: Annotated[Literal["fast", "slow"] | None, msgspec.Meta(description="how")]

    class Outer(msgspec.Struct):
        inner: Inner | None
        modes: list[Literal["fast"]]

    assert choices(Outer, "inner.mode") == ["fast", "slow"]
    assert choices(Outer, "inner.other") == choices(Outer, "modes[...]") == []
