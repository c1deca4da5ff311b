"""Patterns of text and the words that refusals say them in."""

import pytest

from ml_workspace_lab.api.types import text_like


def test_a_pattern_has_the_same_words_wherever_it_stands() -> None:
    with pytest.raises(RuntimeError, match="is not an id"):
        text_like(r"^[0-9a-f]{32}$(?!\n)", "is not the id of something else")
