"""The table of differences is used, and explained to users."""

from pathlib import Path

import pytest

from tests.mlflow.conformance.differences import DIFFERENCES

PAGE = Path(__file__).parents[3] / "docs" / "mlflow.md"


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_tried_and_explained(name: str) -> None:
    cases = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert f'choose("{name}"' in cases or f'"{name}", theirs' in cases
    assert DIFFERENCES[name] in " ".join(PAGE.read_text().split())
