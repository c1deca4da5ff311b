"""Patterns of LIKE and ILIKE, as Python matches them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.search.model import CountRuns
from ml_workspace_lab.storage.patterns import SHORT, is_like
from tests.experiments.search.oracle import like

SOME = st.text("aAbé%_\\*[.", max_size=12)


@given(text=SOME, pattern=SOME, fold=st.booleans())
def test_a_pattern_matches_what_its_meaning_says(text: str, pattern: str, fold: bool) -> None:
    assert is_like(text, pattern, fold=fold) == like(text, pattern, fold=fold)


@pytest.mark.parametrize("operator", ["LIKE", "ILIKE"])
def test_a_long_pattern_over_a_long_text_is_answered(ws: Workspace, operator: str) -> None:
    """Tried anew from each place in the text it would take minutes."""
    with ws.experiment("long").start_logging() as run:
        run.log_param("text", "a" * 900_000)
    for tail, expected in (("b%", 0), ("a%", 1)):
        wanted = f"params.text {operator} '%{'a' * 25 * SHORT}{tail}'"
        assert ws.connection.search.count(CountRuns(wanted)).count == expected
