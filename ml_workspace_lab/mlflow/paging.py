"""Answers that are put together of several of our own pages."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from ml_workspace_lab.errors import InvalidInput

AT_ONCE = 1_000
"""What one of our own pages has at most."""
LISTED = 50_000
"""What one answer has at most."""
SIZE = 16 * 1024 * 1024
"""Characters from which on what was found is an answer, though more was asked for."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Page(Protocol[T_co]):
    @property
    def items(self) -> Sequence[T_co]: ...

    @property
    def next(self) -> str | None: ...


def check_listed(max_results: int) -> None:
    """Raise InvalidInput where so many can't be asked for."""
    if not 1 <= max_results <= LISTED:
        raise InvalidInput(
            f"Invalid value {max_results} for parameter 'max_results' supplied. It must be a"
            f" positive integer, and at most {LISTED}",
            field="max_results",
        )


def gathered(
    ask: Callable[[int, str | None], Page[T]],
    wanted: int,
    token: str | None,
    size: Callable[[T], int] = lambda _: 0,
) -> tuple[list[T], str | None]:
    """So many things of the pages that `ask` answers to a limit and a token, fewer where they are
    large by their `size`; the token of those that follow."""
    found: list[T] = []
    taken, following = 0, token or None
    while True:
        page = ask(min(AT_ONCE, wanted - len(found)), following)
        found += page.items
        taken += sum(map(size, page.items))
        following = page.next
        if following is None or len(found) >= wanted or taken > SIZE:
            return found, following
