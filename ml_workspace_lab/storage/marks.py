"""Marks in SQL that stand for the values of a list."""

from collections.abc import Iterable, Iterator
from typing import Any

AT_ONCE = 500
"""Values that one statement takes."""

Marks = tuple[str, dict[str, Any]]
"""What stands in an `IN (…)`, and what its marks stand for."""


def marks_of(values: Iterable[Any]) -> Marks:
    """For all values; NULL, which nothing is equal to, where there are none."""
    named = {f"v{index}": value for index, value in enumerate(values)}
    return ", ".join(f":{name}" for name in named) or "NULL", named


def groups(values: Iterable[Any]) -> Iterator[Marks]:
    """For the values in groups that one statement takes, each value once, in their order."""
    rest = list(dict.fromkeys(values))
    for at in range(0, len(rest), AT_ONCE):
        yield marks_of(rest[at : at + AT_ONCE])
