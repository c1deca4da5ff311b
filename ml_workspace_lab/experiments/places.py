"""Where a page of a list ends and the next one begins: a moment and the number of a row."""

import re

from ml_workspace_lab.errors import InvalidInput

_PLACE = re.compile(r"(-?\d{1,19})-(\d{1,18})")


def spelled(place: tuple[int, int] | None) -> str | None:
    """The `next` of a page that ends there; None where nothing follows."""
    return f"{place[0]}-{place[1]}" if place else None


def parsed(after: str | None) -> tuple[int, int] | None:
    """The place that a `next` names. Raises InvalidInput where it is none."""
    place = _PLACE.fullmatch(after) if after is not None else None
    if after is not None and place is None:
        raise InvalidInput("after: is not the `next` of an earlier page.", field="after")
    return (int(place[1]), int(place[2])) if place else None
