"""Regular expressions, as Python's `re` and PostgreSQL understand them."""

import re
import time

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.storage.regular import Unknown, parsed, spelled
from ml_workspace_lab.storage.regular_machine import KEPT, is_found
from tests.postgresql import Cluster

SIGNS = ("a", "b", "1", "_", "ü", ".", r"\d", r"\W", r"\s", r"\.", "[ab]", r"[^a\d]", "[a-b1-]")


def expressions() -> st.SearchStrategy[str]:
    def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.lists(inner, max_size=3).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
            # What is an edge alone may not be repeated.
            st.tuples(
                inner.filter(lambda part: part not in ("^", "$")),
                st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"]),
            ).map(lambda both: f"({both[0]}){both[1]}"),
            inner.map(lambda part: f"^{part}"),
            inner.map(lambda part: f"{part}$"),
        )

    return st.recursive(st.sampled_from(SIGNS), combined, max_leaves=8)


@given(expression=expressions(), text=st.text("ab1_ü-. \n", max_size=8))
def test_an_expression_finds_what_pythons_own_would(expression: str, text: str) -> None:
    meant = expression.replace("$", r"\Z")
    assert is_found(text, expression) == (re.search(meant, text) is not None)


@pytest.fixture(scope="module")
def asked(postgresql: Cluster) -> "psycopg.Connection[tuple[bool]]":
    return psycopg.connect(postgresql.url("public"), autocommit=True)


@given(expression=expressions(), text=st.text("ab1_ü-. \n", max_size=8))
def test_postgresql_finds_the_same(
    asked: "psycopg.Connection[tuple[bool]]", expression: str, text: str
) -> None:
    row = asked.execute("SELECT %s::text ~ %s", (text, spelled(expression))).fetchone()
    assert row == (is_found(text, expression),)


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        ("", "", True),
        ("^$", "", True),
        ("^$", "a", False),
        ("a{", "a{", True),
        ("{}", "{}", True),
        ("a{,2}b", "aab", True),
        ("x{3}", "xx", False),
        ("[]-]", "]", True),
        ("[^]]", "]", False),
        (r"\x41\u00fc\U0001f600", "Aü😀", True),
        (r"[\x41-\x43]+$", "ABC", True),
        ("(?P<who>a)b", "ab", True),
        ("(|a)b", "b", True),
        ("gpt-4[.]?1", "gpt-4.1", True),
        (r"[^\w\W]", "a", False),
    ],
)
def test_signs_mean_what_they_mean_elsewhere(expression: str, text: str, expected: bool) -> None:
    assert is_found(text, expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "(", ")", "a)", "[", "[a", "[b-a]", "*a", "a**", "a*+", "a{2}{3}", "a{1}{2}", "a??*", "^*",
        "a{3,2}", "a{256}",
        "(?=a)", "(?i)a", r"(a)\1", r"\bword", "[[:alpha:]]", "\\", "(" * 51 + ")" * 51,
        "((a{100}){100}){100}", r"\UFFFFFFFF", "(?:a{200}|b{200}){3}",
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(expression: str) -> None:
    with pytest.raises(Unknown):
        parsed(expression)


@pytest.mark.parametrize(
    "expression", ["(a|aa)+$", "(a*)*b", "(.*)(.*)(.*)(.*)x", "(a?){50}a{50}b"]
)
def test_no_expression_takes_more_than_a_moment_for_each_character(expression: str) -> None:
    """Python's own would take longer than anybody lives."""
    begun = time.monotonic()
    assert not is_found("a" * 100_000 + "!", expression)
    assert time.monotonic() - begun < 5


def test_what_is_remembered_of_an_expression_has_an_end() -> None:
    text = "".join(f"{number:b}" for number in range(2 * KEPT))
    assert not is_found(text.replace("0", "a").replace("1", "b"), "(a|b)*a(a|b){15}c")
