"""Where a page of a search begins: the place of the run before it, as an opaque token."""

import base64
import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from ml_workspace_lab.api.types import Int64, number_to_wire
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.search.keys import Segment, SortKey

Value = int | float | str


class Place(msgspec.Struct, frozen=True):
    """The last run of a page: its segment, and its keys there."""

    segment: int
    values: tuple[Value, ...]


class _Token(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    query: str
    segment: Annotated[int, Meta(ge=0, le=2)]
    values: list[Int64 | float | str]


def fingerprint(*parts: object) -> str:
    """What tells a query from others."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def token(query: str, place: Place) -> str:
    values = [number_to_wire(one) if isinstance(one, float) else one for one in place.values]
    raw = msgspec.json.encode(_Token(query, place.segment, values))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def place(text: str, query: str, segments: list[Segment]) -> Place:
    """Where a token points. Raises InvalidInput for what is no token of this query."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        found = msgspec.json.decode(raw, type=_Token)
        if found.query != query:
            raise _refusal("is of another query")
        keys = segments[found.segment].keys
        values = [_value(key, one) for key, one in zip(keys, found.values, strict=True)]
    except (ValueError, IndexError, msgspec.MsgspecError):
        raise _refusal("is not one that a page came with") from None
    return Place(found.segment, tuple(values))


def _value(key: SortKey, given: Value) -> Value:
    if key.kind == "float":
        return float(given)
    if key.kind == "whole" and not isinstance(given, int):
        raise ValueError
    if key.kind == "text" and (not isinstance(given, str) or "\x00" in given):
        raise ValueError
    return given


def _refusal(what: str) -> InvalidInput:
    return InvalidInput(
        f"page_token: {what}.",
        field="page_token",
        hint="Give the `next` of the page before, with the same filter, experiments and order.",
    )
