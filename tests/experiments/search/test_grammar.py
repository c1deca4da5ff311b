"""The grammar: what it reads, how it says no, and that it takes each token once."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.search.expression import And, Comparison, Not, Or, Term, text
from ml_workspace_lab.experiments.search.ordering import OrderTerm, parse_order
from ml_workspace_lab.experiments.search.parser import MAX_CLAUSES, MAX_DEPTH, parse
from ml_workspace_lab.experiments.search.runs import RUNS
from tests.experiments.search.filters import expressions

WORDS = (
    *("metrics.", "params.", "x", "`", "(", ")", ",", "=", "!=", "<", ">", "<=", "like", "in"),
    *("not", "is", "null", "and", "or", "between", "1", "-inf", "nan"),
    *(
        '"',
        "'",
        ".",
        "''",
        "'a'",
        "min(",
        "created",
        "\\",
        "%",
        "2026-01-01",
        "\x00",
        "\ud800",
        "🙂",
    ),
)
LOSS = Comparison(Term("metric", "loss"), "<", (0.1,))
CNN = Comparison(Term("param", "model"), "=", ("cnn",))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("metrics.loss < 0.1", LOSS),
        ("  metric.loss<.1 ", LOSS),
        ("METRICS.`loss`<1e-1", LOSS),
        ('metrics."loss" < 0.1 aNd parameters.model == "cnn"', And((LOSS, CNN))),
        ("param.model = 'cnn' or not (metrics.loss < 0.1)", Or((CNN, Not(LOSS)))),
        ("params.model != 'cnn'", Comparison(CNN.term, "=", ("cnn",), negated=True)),
        ("params.model <> 'cnn'", Comparison(CNN.term, "=", ("cnn",), negated=True)),
        ("params.model not in ('a', 'b')", Comparison(CNN.term, "IN", ("a", "b"), negated=True)),
        ("params.lr between 1 and 2 and params.model = 'cnn'",
         And((Comparison(Term("param", "lr"), "BETWEEN", (1, 2)), CNN))),
        ("tags.`a ``b`` c` like 'it''s %'",
         Comparison(Term("tag", "a `b` c"), "LIKE", ("it's %",))),
        ("tags.mlflow.source.name IS NOT NULL",
         Comparison(Term("tag", "mlflow.source.name"), "NULL", (), negated=True)),
        ("properties.x is null", Comparison(Term("property", "x"), "NULL")),
        ("best(metrics.val.loss) >= -inf",
         Comparison(Term("metric", "val.loss", "best"), ">=", (float("-inf"),))),
        ("datasets.name ILIKE 'iris%'", Comparison(Term("dataset", "name"), "ILIKE", ("iris%",))),
        ("`Run name` = 'x'", Comparison(Term("attribute", "run_name"), "=", ("x",))),
        ("attributes.`Run name` = 'x'", Comparison(Term("attribute", "run_name"), "=", ("x",))),
        ("run.status = 'FINISHED'", Comparison(Term("attribute", "status"), "=", ("FINISHED",))),
        ("created > '2026-11-01'",
         Comparison(Term("attribute", "start_time"), ">", (1793491200000,))),
        ("attr.ended <= '2026-11-01T01:00:00+01:00'",
         Comparison(Term("attribute", "end_time"), "<=", (1793491200000,))),
        ("start_time > 1793491200000",
         Comparison(Term("attribute", "start_time"), ">", (1793491200000,))),
        ("metrics.m-1/x:y > 0", Comparison(Term("metric", "m-1/x:y"), ">", (0,))),
    ],
)  # fmt: skip
def test_a_filter_says_what_it_is_meant_to(written: str, meant: object) -> None:
    assert parse(written, RUNS) == meant


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("metrics.loss ~ 1", 14),
        ("metrics.loss > 'a'", 1),
        ("metrics.loss LIKE 'a'", 1),
        ("params.lr < '0.1'", 1),
        ("params.lr = abc", 13),
        ("params.lr = 1e999", 13),
        ("params.lr = NaN", 1),
        ("params.lr in (1, 'a')", 1),
        ("params.lr in ()", 15),
        ("params.lr in (1", 16),
        ("params.lr between 1", 20),
        ("foo.x = 1", 1),
        ("foo = 1", 1),
        ("metrics. = 1", 1),
        ("metrics.x = 'abc", 13),
        ("(metrics.x = 1", 15),
        ("metrics.x = 1)", 14),
        ("metrics.x = 1 and", 18),
        ("and metrics.x = 1", 1),
        ("metrics.x", 10),
        ("metrics.x is 1", 14),
        ("min(params.x) = 1", 1),
        ("sum(metrics.x) = 1", 1),
        ("created > 'yesterday'", 1),
        ("created > '2026-13-01'", 1),
        ("tags.x = 'a\x00b'", 12),
        ("'x' = 1", 1),
        ("status = 1", 1),
    ],
)
def test_an_error_points_at_its_place(written: str, place: int) -> None:
    with pytest.raises(InvalidInput, match=f"at character {place}\\.") as error:
        parse(written, RUNS)
    assert error.value.field == "filter"
    _, shown, caret = str(error.value.hint).split("\n")
    assert caret.index("^") == min(place - 1, 30)
    assert len(shown) <= 60


def test_an_empty_filter_says_nothing() -> None:
    assert parse("", RUNS) is None
    assert parse(" \n\t", RUNS) is None


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        (" or ".join(["metrics.x=1"] * MAX_CLAUSES), " or ".join(["metrics.x=1"] * 101)),
        ("(" * MAX_DEPTH + "metrics.x=1" + ")" * MAX_DEPTH, "(" * 51 + "metrics.x=1" + ")" * 51),
        ("not " * MAX_DEPTH + "metrics.x=1", "not " * 51 + "metrics.x=1"),
        (f"tags.x='{'ü' * 30_000}'", f"tags.x='{'ü' * 33_000}'"),
        (f"tags.x like '{'%a' * 1000}'", f"tags.x like '{'%a' * 1000}%'"),
    ],
)
def test_there_are_limits(fits: str, too_much: str) -> None:
    assert parse(fits, RUNS) is not None
    with pytest.raises(InvalidInput):
        parse(too_much, RUNS)


@given(expressions())
def test_an_expression_written_down_is_read_back(expression: Any) -> None:
    assert repr(parse(text(expression), RUNS)) == repr(expression)  # by repr: NaN is not NaN


@given(
    st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=30).map(" ".join) | st.text()
)
def test_no_text_does_more_than_be_refused(written: str) -> None:
    found = []
    for read in (lambda: parse(written, RUNS), lambda: parse_order([written], RUNS)):
        try:
            read()
        except InvalidInput as error:
            found.append(error)
    assert not any("\x00" in (error.hint or "") for error in found)


@pytest.mark.parametrize(
    "of_size",
    [
        lambda n: "params.x in (" + ", ".join(["'a'"] * n) + ")",
        lambda n: "(" * n,
        lambda n: "metrics.x = '" + "''" * n,
        lambda n: "`" + "``" * n,
        lambda n: "metrics." + '"a"`b`' * n + " = 1",
        lambda n: "metrics.x = " + "1" * n,
        lambda n: " " * n,
        lambda n: "not " * n,
    ],
)
def test_steps_grow_no_faster_than_the_text(of_size: Callable[[int], str]) -> None:
    small, large = (_calls(of_size(n)) for n in (200, 2000))
    assert large <= 11 * small + 100


def _calls(written: str) -> int:
    """How many functions are called to read a text."""
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        parse(written, RUNS)
    except InvalidInput:
        pass
    finally:
        sys.setprofile(None)
    return calls


def test_an_order_has_keys_and_directions() -> None:
    assert parse_order(["metrics.`a b` desc", "run_name", "min(metrics.x) ASC"], RUNS) == [
        OrderTerm(Term("metric", "a b"), descending=True),
        OrderTerm(Term("attribute", "run_name"), descending=False),
        OrderTerm(Term("metric", "x", "min"), descending=False),
    ]


@pytest.mark.parametrize(
    "order",
    [
        [""], ["metrics.x up"], ["metrics.x", "metric.x DESC"], ["x"], ["datasets.name"],
        [f"metrics.m{i}" for i in range(21)], ["metrics.x, metrics.y"], ["1; DROP TABLE run"],
    ],
)  # fmt: skip
def test_an_order_that_is_none_is_refused(order: list[str]) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_order(order, RUNS)
    assert error.value.field == "order_by"
